namespace Gauntlet.Harness.Verdicts;

/// <summary>What a VMM answered to a script of qtest, a line each command: <c>OK</c>, with a value or without, or <c>FAIL</c> or <c>ERR</c> with a reason.</summary>
/// <param name="Commands">That it was sent.</param>
/// <param name="Answered">In either way.</param>
/// <param name="Accepted">With OK.</param>
/// <param name="Refusal">The last other answer; null: there was none.</param>
public readonly record struct QtestReplies(int Commands, int Answered = 0, int Accepted = 0, string? Refusal = null)
{
    public bool AreAll => Answered >= Commands;

    /// <summary>With a further line of output. Those of interrupts (<c>IRQ raise 3</c>) answer nothing.</summary>
    public QtestReplies With(string line)
    {
        if (IsReply(line, "OK"))
            return this with { Answered = Answered + 1, Accepted = Accepted + 1 };
        return IsReply(line, "FAIL") || IsReply(line, "ERR") ? this with { Answered = Answered + 1, Refusal = ConsoleText.Shorten(line, 160) } : this;
    }

    private static bool IsReply(string line, string word) => line.StartsWith(word, StringComparison.Ordinal) && (line.Length == word.Length || line[word.Length] == ' ');
}
