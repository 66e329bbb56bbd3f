# apt.sh - Debian packages taken apart under $BUILD/cache, without installing them.
# Sourced by the fetch-* scripts. What the system has installed, and its apt configuration, stay
# as they are; the mirror is whichever one the system's own configuration names.

set -eu
root=$(cd "$(dirname "$0")/../.." && pwd)
cache=${BUILD:-$root/build}/cache
case $cache in
/*) ;;
*) cache=$root/$cache ;;
esac

die()
{
    echo "$(basename "$0"): $*" >&2
    exit 1
}

# apt_release - this system's Debian release name
apt_release()
{
    (. /etc/os-release && echo "${VERSION_CODENAME:-}")
}

# apt_use_system - take packages from the suites that the system has configured
apt_use_system()
{
    mkdir -p "$cache"
    apt_config=$cache/apt-system.conf
    : >"$apt_config"
    if [ -z "$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages')" ]; then
        die "apt has no package source; expected a Debian mirror in /etc/apt"
    fi
}

# apt_use_backports - add <release>-backports, in a configuration and state of our own
apt_use_backports()
{
    release=$(apt_release)
    mirror=$(apt-get indextargets --format '$(RELEASE) $(REPO_URI)' 'Created-By: Packages' |
        awk -v release="$release" '$1 == release { print $2; exit }')
    [ -n "$mirror" ] || die "apt has no mirror for $release; expected one in /etc/apt"

    state=$cache/apt
    apt_config=$state/apt.conf
    mkdir -p "$state/lists/partial" "$state/archives/partial" "$state/sources.list.d"
    {
        for suite in "$release" "$release-backports"; do
            echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg]" \
                "$mirror $suite main"
        done
    } >"$state/sources.list"
    cat >"$apt_config" <<END
Dir::Etc::sourcelist "$state/sources.list";
Dir::Etc::sourceparts "$state/sources.list.d";
Dir::Etc::preferences "/dev/null";
Dir::Etc::preferencesparts "$state/sources.list.d";
Dir::State::lists "$state/lists";
Dir::Cache "$state";
APT::Sandbox::User "root";
END
    if [ ! -e "$state/updated" ]; then
        echo "reading $release-backports" >&2
        apt_get update >"$state/update.log" 2>&1 ||
            die "cannot read $release-backports from the mirror: $(tail -n 1 "$state/update.log")"
        touch "$state/updated"
    fi
}

apt_get()
{
    APT_CONFIG=$apt_config apt-get -q "$@"
}

# apt_version PACKAGE [SUITE] - the version apt would take; nothing if it knows none
apt_version()
{
    APT_CONFIG=$apt_config apt-cache ${2:+-t "$2"} policy "$1" |
        awk '$1 == "Candidate:" && $2 != "(none)" { print $2 }'
}

# apt_depends PACKAGE=VERSION PATTERN - the first package it depends on that matches
apt_depends()
{
    APT_CONFIG=$apt_config apt-cache show --no-all-versions "$1" |
        sed -n 's/^Depends: //p' | tr ',|' '\n\n' | awk -v want="$2" '$1 ~ want { print $1; exit }'
}

# apt_unpack DIRECTORY PACKAGE[=VERSION]... - download and unpack, replacing the directory at the end
apt_unpack()
{
    to=$1
    shift
    rm -rf "$to.part"
    mkdir -p "$to.part/debs"
    (cd "$to.part/debs" && apt_get -o APT::Sandbox::User=root download "$@" >&2) ||
        die "cannot download $*; does 'apt-get update' work?"
    for deb in "$to.part"/debs/*.deb; do
        dpkg-deb -x "$deb" "$to.part"
    done
    rm -rf "$to.part/debs"
}

# apt_commit DIRECTORY - what apt_unpack() left is complete: give it its name
apt_commit()
{
    rm -rf "$1"
    mv "$1.part" "$1"
}
