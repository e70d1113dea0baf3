# Sourced by the scripts beside it: what they install, and how they speak. Not run by itself.
# shellcheck shell=bash

say() { printf '%s\n' "$*" >&2; }
step() { say "--- $* ---"; }

# What the package airtally-sensor is built with.
# shellcheck disable=SC2034 # others use it
sensor_features=sensor,inspect,oui-update
die() {
    printf 'error: %s\n' "$*" >&2
    exit 1
}

as_root() {
    if [ "$(id -u)" = 0 ]; then
        "$@"
    elif command -v sudo >/dev/null; then
        sudo "$@"
    else
        die "this needs root and there is no sudo: run as root: $*"
    fi
}

# Whether a Debian package is installed.
installed() { [ "$(dpkg-query -W -f='${db:Status-Status}' "$1" 2>/dev/null)" = installed ]; }

apt_updated=no

# apt_get WORD…: one at a time, for scripts run side by side, and an update in the middle of an installation takes away
# what that is about to unpack. A person who looks on sees how far it is.
apt_get() {
    local quiet=(-qq) out=/dev/null
    [ ! -t 2 ] || quiet=(-q=0) out=/dev/stderr
    mkdir -p target
    as_root flock --close target/apt.lock env DEBIAN_FRONTEND=noninteractive apt-get "${quiet[@]}" "$@" >"$out"
}

# Installs those of the packages that are missing. Asks the package lists only if there are any.
need_packages() {
    local package missing=()
    command -v dpkg-query >/dev/null || die "this is not Debian: install the equivalents of: $*"
    for package in "$@"; do
        installed "$package" || missing+=("$package")
    done
    [ ${#missing[@]} -gt 0 ] || return 0
    say "installing ${missing[*]}"
    apt_update
    # Answered beforehand: nobody is there to ask.
    printf 'wireshark-common wireshark-common/install-setuid boolean false\n' | as_root debconf-set-selections
    apt_get install -y --no-install-recommends "${missing[@]}" || die "apt-get could not install ${missing[*]}"
}

# Installs packages from bookworm's backports, which it adds to the sources where they are missing.
need_backports() {
    if ! grep -rqs bookworm-backports /etc/apt/sources.list /etc/apt/sources.list.d; then
        say "adding bookworm-backports to the package sources"
        # They are where this machine has bookworm itself from.
        apt_update
        local archive
        # shellcheck disable=SC2016 # these are apt's words
        archive=$(apt-get indextargets --format '$(RELEASE) $(COMPONENT) $(REPO_URI)' 'Created-By: Packages' |
            sed -n 's/^bookworm main //p' | head -n 1)
        [ -n "$archive" ] || die "the package sources do not have bookworm's main: is this Debian 12?"
        echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $archive bookworm-backports main" |
            as_root tee /etc/apt/sources.list.d/bookworm-backports.list >/dev/null
        apt_updated=no
    fi
    apt_update
    say "installing $* from backports"
    apt_get install -y --no-install-recommends -t bookworm-backports "$@" || die "apt-get could not install $*"
}

# need_foreign_programs arm64|armhf: lets the kernel run programs of another processor, by qemu-user.
need_foreign_programs() {
    local format=qemu-aarch64
    [ "$1" = arm64 ] || format=qemu-arm
    command -v "$format-static" >/dev/null || need_backports qemu-user-static binfmt-support
    need_packages arch-test
    arch-test "$1" >/dev/null 2>&1 && return 0
    mountpoint -q /proc/sys/fs/binfmt_misc || as_root mount -t binfmt_misc none /proc/sys/fs/binfmt_misc
    as_root /usr/lib/systemd/systemd-binfmt "/usr/lib/binfmt.d/$format.conf" || true
    arch-test "$1" >/dev/null 2>&1 || die "this kernel does not run $1 programs: is binfmt_misc there?"
}

apt_update() {
    [ "$apt_updated" = no ] || return 0
    apt_get update || die "apt-get update failed: is there a network?"
    apt_updated=yes
}

at_least() { [ "$(printf '%s\n%s\n' "$1" "$2" | sort -V | head -n 1)" = "$2" ]; }

# The Rust toolchain: what is there if it is new enough, else Debian's newest.
need_rust() {
    local wanted package version
    wanted=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' Cargo.toml)
    if ! command -v cargo >/dev/null && [ -x "$HOME/.cargo/bin/cargo" ]; then
        PATH="$HOME/.cargo/bin:$PATH"
    fi
    if command -v rustc >/dev/null && command -v cargo >/dev/null; then
        version=$(rustc --version | cut -d' ' -f2)
        if at_least "$version" "$wanted"; then return 0; fi
        say "rustc $version is too old: $wanted is needed"
    fi
    if command -v apt-cache >/dev/null; then
        apt_update
        for package in web ''; do
            # Debian 12 has a recent compiler beside its own, in packages ending in -web.
            version=$(apt-cache policy "rustc${package:+-$package}" | sed -n 's/^  Candidate: //p')
            if [ -z "$version" ] || ! at_least "$version" "$wanted"; then continue; fi
            need_packages "rustc${package:+-$package}" "cargo${package:+-$package}"
            hash -r
            at_least "$(/usr/bin/rustc --version | cut -d' ' -f2)" "$wanted" && PATH="/usr/bin:$PATH" && return 0
        done
    fi
    die "there is no Rust $wanted or later, and no package of it: install it from https://rustup.rs, then run this again"
}

# What `cargo fmt` needs beside the compiler.
need_rustfmt() { cargo fmt --version >/dev/null 2>&1 || need_packages rustfmt-web; }

# A loopback port on which nothing listens.
free_port() {
    local port
    for port in $(shuf -i 20000-32000 -n 50); do
        if ! (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then
            printf '%s\n' "$port"
            return 0
        fi
    done
    die "no free loopback port was found"
}

# wait_for SECONDS COMMAND…: until the command succeeds.
wait_for() {
    local end=$((SECONDS + $1))
    shift
    until "$@" 2>/dev/null; do
        [ "$SECONDS" -lt "$end" ] || return 1
        sleep 0.1
    done
}

listens() { (exec 3<>"/dev/tcp/127.0.0.1/$1"); }
