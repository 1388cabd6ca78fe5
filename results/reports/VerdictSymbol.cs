using Gauntlet.Results.Records;

namespace Gauntlet.Results.Reports;

/// <summary>One look for each verdict, the same everywhere: a symbol, so that nobody has to see colours, and a colour.</summary>
public static class VerdictSymbol
{
    /// <summary>The order in which people want to hear of them: worst first.</summary>
    public static IReadOnlyList<Verdict> WorstFirst { get; } =
        [Verdict.Crash, Verdict.Fail, Verdict.Timeout, Verdict.UnexpectedPass, Verdict.InfraError, Verdict.KnownFail, Verdict.Skip, Verdict.Pass];

    /// <summary>One column wide in every font that has it.</summary>
    public static string Symbol(this Verdict verdict) => verdict switch
    {
        Verdict.Pass => "✓",
        Verdict.Fail => "✗",
        Verdict.Skip => "–",
        Verdict.KnownFail => "≈",
        Verdict.UnexpectedPass => "≠",
        Verdict.Timeout => "◷",
        Verdict.Crash => "‼",
        Verdict.InfraError => "?",
        _ => throw new ArgumentOutOfRangeException(nameof(verdict), verdict, null),
    };

    /// <summary>A style of Spectre.Console, from the sixteen colours that every terminal has.</summary>
    public static string Style(this Verdict verdict) => verdict switch
    {
        Verdict.Pass => "green",
        Verdict.Fail => "red",
        Verdict.Skip => "grey",
        Verdict.KnownFail => "yellow",
        Verdict.UnexpectedPass => "fuchsia",
        Verdict.Timeout => "red",
        Verdict.Crash => "bold red",
        Verdict.InfraError => "aqua",
        _ => throw new ArgumentOutOfRangeException(nameof(verdict), verdict, null),
    };

    /// <summary>The worst of them: what a group comes to. Null when there is none.</summary>
    public static Verdict? Worst(IEnumerable<Verdict> verdicts)
    {
        Verdict? worst = null;
        foreach (var verdict in verdicts)
        {
            if (worst is null || Rank(verdict) < Rank(worst.Value))
                worst = verdict;
        }

        return worst;
    }

    private static int Rank(Verdict verdict)
    {
        var rank = 0;
        while (WorstFirst[rank] != verdict)
            rank++;
        return rank;
    }
}
