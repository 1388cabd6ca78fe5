# Sourced by ./gauntlet and build.sh. Needs $here, the root of the tree.
program=$here/.artifacts/program

# Prints something when a source file or folder is newer than the last build; folders too, so that a deletion is seen.
newer() {
    [ -f "$program/stamp" ] || { echo "$program/stamp"; return; }
    cd "$here" && find Directory.Build.props Directory.Packages.props global.json vmm harness fuzz guests pipelines results \
        \( -name tests -o -name bench -o -path guests/prebuilt -o -path guests/suites -o -path guests/lib \) -prune -o \
        \( -type d -o -name '*.cs' -o -name '*.csproj' -o -name '*.props' \) -newer "$program/stamp" -print -quit 2>/dev/null
}
