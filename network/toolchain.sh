# What a machine needs before this project can be built. Sourced by network/up, tests/run and their like.
#
# A package is installed by apt only if what it brings is missing, after saying what and why. Nothing else on the machine
# is changed: compiled code goes to CARGO_TARGET_DIR, by default consilium/target in the user's cache folder.

say() { printf '%s\n' "$*" >&2; }

die() {
    say "$0: $*"
    exit 2
}

# install_missing PACKAGE WHY: notes a package for `install_noted`.
NOTED=()
install_missing() {
    say "missing: $1 ($2)"
    NOTED+=("$1")
}

install_noted() {
    [ ${#NOTED[@]} -gt 0 ] || return 0
    command -v apt-get >/dev/null || die "install ${NOTED[*]} by this system's package manager, then run this again"
    local sudo=()
    if [ "$(id -u)" -ne 0 ]; then
        command -v sudo >/dev/null || die "root is needed to install ${NOTED[*]}: run apt-get install ${NOTED[*]} as root"
        sudo=(sudo)
    fi
    say "installing by apt: ${NOTED[*]}"
    "${sudo[@]}" apt-get update -qq || die "apt-get update failed; is the network reached?"
    "${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${NOTED[@]}" >&2 ||
        die "apt-get install ${NOTED[*]} failed; its message stands above"
    NOTED=()
}

# Whether some release of the library that reads C++ headers is here.
has_libclang() {
    local place
    for place in /usr/lib/llvm-*/lib /usr/lib/*-linux-gnu /usr/lib64 /usr/lib "${LIBCLANG_PATH:-/usr/lib}"; do
        compgen -G "$place/libclang.so*" >/dev/null || compgen -G "$place/libclang-[0-9]*.so*" >/dev/null || continue
        return 0
    done
    return 1
}

# What cargo needs besides Rust itself.
need_build_tools() {
    command -v g++ >/dev/null || install_missing g++ "compiles RocksDB, the ledger's store"
    command -v make >/dev/null || install_missing make "builds C libraries"
    command -v ccache >/dev/null || install_missing ccache "keeps compiled C++ when a target folder is removed"
    type -P kill >/dev/null || install_missing procps "asks nodes to end"
    has_libclang || install_missing libclang-dev "reads RocksDB's headers for its bindings"
    install_noted
}

need_rust() {
    [ -d "$HOME/.cargo/bin" ] && PATH="$HOME/.cargo/bin:$PATH"
    command -v cargo >/dev/null ||
        die "cargo is missing: install Rust by rustup (https://rustup.rs); rust-toolchain.toml names the release"
}

use_caches() {
    [ -d /usr/lib/ccache ] && PATH="/usr/lib/ccache:$PATH"
    export PATH
    export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/consilium/target}"
    # A relative folder would mean another one wherever a script changes into.
    case $CARGO_TARGET_DIR in /*) ;; *) CARGO_TARGET_DIR=$PWD/$CARGO_TARGET_DIR ;; esac
}

# Says that the first build is long, if it is the first.
announce_build() {
    compgen -G "$CARGO_TARGET_DIR/debug/build/librocksdb-sys-*/out/librocksdb.a" >/dev/null && return 0
    say "first build on this machine: RocksDB and some 400 crates are compiled into"
    say "$CARGO_TARGET_DIR: RocksDB alone takes 21 to 26 minutes on 2 cores. Later builds take what is there."
}
