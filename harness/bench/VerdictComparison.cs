namespace Gauntlet.Harness.Bench;

/// <summary>Compares the verdicts of kvm-unit-tests' own runner with Gauntlet's, test by test.</summary>
internal static class VerdictComparison
{
    /// <summary>Prints every difference; true when there is none but those that are meant: what the runner calls SKIP although the VMM crashed, or could not be started.</summary>
    public static bool Print(IReadOnlyDictionary<string, string> theirs, IReadOnlyDictionary<string, Told> ours)
    {
        var (same, meant, different) = (0, 0, 0);
        foreach (var name in theirs.Keys.Union(ours.Keys).Order(StringComparer.Ordinal))
        {
            var (their, our) = (theirs.GetValueOrDefault(name), ours.GetValueOrDefault(name));
            var expected = our?.Verdict switch
            {
                "pass" => "PASS",
                "fail" => "FAIL",
                "skip" => "SKIP",
                "timeout" => "TIMEOUT",
                _ => null,
            };
            if (their == expected && their is not null)
                same++;
            else if (their == "SKIP" && our?.Verdict is "crash" or "infra-error")
                meant++;
            else
                different++;
            if (their != expected)
                Console.WriteLine($"  {name}: run_tests.sh {their ?? "nothing"}, gauntlet {our?.Verdict ?? "nothing"}{(our?.Reason is null ? "" : $" ({our.Reason})")}");
        }
        Console.WriteLine($"verdicts: {same} the same, {meant} a SKIP there that is a crash or an infra error, {different} different");
        return different == 0;
    }
}
