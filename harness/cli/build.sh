#!/bin/sh
# Builds the two programs, gauntlet and gvmm, into .artifacts/program. Called by ./gauntlet with the root of the tree.
# Two callers at once build once; a build that fails leaves the last good programs in place.
here=$1
. "$here/harness/cli/newer.sh"
out=$here/.artifacts
log=$out/build.log
next=$out/program.next

if ! command -v dotnet >/dev/null; then
    echo "gauntlet: building it needs the .NET 10 SDK, and there is no dotnet on PATH: install the SDK (package dotnet-sdk-10.0), then try again" >&2
    exit 3
fi
mkdir -p "$out" || exit 3

exec 9>"$out/build.lock"
flock 9
[ -n "$(newer)" ] || exit 0

export DOTNET_CLI_TELEMETRY_OPTOUT=1 DOTNET_NOLOGO=1 DOTNET_SKIP_FIRST_TIME_EXPERIENCE=1

# The lock's descriptor is closed for the compiler server, which lives on.
build() {
    rm -rf "$next"
    mkdir -p "$next" && touch "$next/stamp" || return 1
    for project in harness/cli/gauntlet.csproj vmm/gvmm/gvmm.csproj; do
        name=${project##*/}
        dotnet publish "$here/$project" -c Release -o "$next/${name%.csproj}" -v quiet -p:RunAnalyzers=false 9>&- || return 1
    done
}

if [ -t 2 ]; then
    build >"$log" 2>&1 &
    seconds=0
    while kill -0 $! 2>/dev/null; do
        printf '\rBuilding gauntlet and gvmm: %d s ' $seconds >&2
        sleep 1
        seconds=$((seconds + 1))
    done
    printf '\r\033[K' >&2
    wait $!
else
    echo "Building gauntlet and gvmm (a minute or two)" >&2
    build >"$log" 2>&1
fi
if [ $? -ne 0 ]; then
    grep -E 'error|No space' "$log" | sort -u | head -20 >&2
    echo "gauntlet: the build failed; its output is in $log" >&2
    exit 3
fi

rm -rf "$out/program.last"
[ ! -d "$program" ] || mv "$program" "$out/program.last"
mv "$next" "$program" && rm -rf "$out/program.last"
