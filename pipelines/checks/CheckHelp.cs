namespace Gauntlet.Pipelines.Checks;

/// <summary>What <c>gauntlet check --help</c> prints.</summary>
internal static class CheckHelp
{
    public const string Text =
        """
        gauntlet check: say everything that is wrong with patches

        usage: gauntlet check [OPTION]... PATCH...      patches or mails; - reads standard input
               gauntlet check [OPTION]... BASE..TIP     the commits of a range
               gauntlet check [OPTION]... --staged      what git commit would commit
               gauntlet check [OPTION]... -f FILE...    whole source files
               gauntlet check --explain TYPE            what a message means (--list-types names them)

        What is checked
          --patch, --branch, -f, --file   take the names for patches, ranges, source files
          --staged                        the staged changes
          --rules NAME                    qemu or linux; otherwise the tree tells, or .gauntlet/check.yaml
          --release VERSION               only what the project's checkpatch.pl of that release reports
          --series                        the patches are one series: is it whole, signed by its authors, with a changelog
          --no-signoff                    do not ask for Signed-off-by
          --strict                        qemu: warnings fail; linux: matters of taste are reported
          --types A,B   --ignore A,B      only these, or all but these
          --max-line-length N             columns
          --codespell                     words that codespell's dictionary has are misspelled
          --codespellfile FILE            the same with another list, wrong->right or wrong||right
          --root DIR, --no-tree           where the source tree is
          --legacy                        follow checkpatch.pl where it is plainly wrong

        What is written
          --format text|json|sarif|github|gitlab
          --show-types                    the type before each message
          --terse, --emacs                one line a message; each message begins with file:line:
          -q, --quiet                     twice: no summary either way
          --no-summary, --summary-file, --mailback, --test-only TEXT
          --fix                           write each patch, what is mechanical put right, as PATCH.fixed
          --list-types                    all types of the rule set
          --manual                        all types of all rule sets, as Markdown

        Exit code: 0 nothing found (warnings pass but with --strict), 1 something found or not a patch that could be checked, 2 wrong use, 3 environment.

        Example
          git format-patch --stdout origin/master.. | gauntlet check -
        """;
}
