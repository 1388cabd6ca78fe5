using System.Text.RegularExpressions;

namespace Gauntlet.Harness.Verdicts;

/// <summary>Recognises a guest's Linux kernel that has died, so that nobody waits for the time limit.</summary>
public static partial class KernelPanic
{
    /// <summary>True for the line that a panic, an oops or a kernel stack overflow begins with.</summary>
    /// <param name="line">Cleaned.</param>
    public static bool Is(string line) => Pattern().IsMatch(line);

    // kernel/panic.c; arch/*/mm/fault.c and arch/*/kernel/traps.c. With or without the time stamp and caller of printk.
    [GeneratedRegex(
        @"^(<\d+>)?(\[[ .0-9TC]+\] ?)*(Kernel panic - not syncing|Oops(: |\[#| - )|Internal error: Oops|BUG: unable to handle |Unable to handle kernel |---\[ end Kernel panic|general protection fault(,|: )|double fault: |stack segment: )",
        RegexOptions.CultureInvariant | RegexOptions.ExplicitCapture)]
    private static partial Regex Pattern();
}
