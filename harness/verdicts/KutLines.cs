using System.Globalization;
using Gauntlet.Results.Records;

namespace Gauntlet.Harness.Verdicts;

/// <summary>
/// The lines that kvm-unit-tests' guests and Gauntlet's own print (lib/report.c there, guests/README.md here): one result a line, a summary, measurements, the exit status
/// where the VMM can't pass it on. Only what starts a line counts.
/// </summary>
public sealed class KutLines
{
    private const int MaxMeasurements = 4096;

    private readonly SubtestCollector subtests;
    private readonly Dictionary<string, double> measurements = [];

    public KutLines(SubtestCollector subtests) => this.subtests = subtests;

    public IReadOnlyDictionary<string, double> Measurements => measurements;

    /// <summary>Measurements beyond the number that is kept.</summary>
    public long MeasurementsLost { get; private set; }

    /// <summary>n of the first <c>EXIT: STATUS=n</c>; null: none.</summary>
    public int? ExitStatus { get; private set; }

    /// <summary>What the last <c>SUMMARY:</c> said; null: none.</summary>
    public string? Summary { get; private set; }

    /// <summary>What <c>ABORT:</c> said; null: none.</summary>
    public string? Abort { get; private set; }

    /// <param name="line">Cleaned.</param>
    public void Add(string line)
    {
        var colon = line.IndexOf(':');
        if (colon is < 4 or > 7)
            return;
        var rest = line.AsSpan(colon + 1).Trim();
        switch (line.AsSpan(0, colon))
        {
            case "PASS":
                subtests.Add(rest.ToString(), Verdict.Pass);
                break;
            case "FAIL":
                subtests.Add(rest.ToString(), Verdict.Fail);
                break;
            case "SKIP":
                subtests.Add(rest.ToString(), Verdict.Skip);
                break;
            case "XFAIL" or "KFAIL":
                subtests.Add(rest.ToString(), Verdict.KnownFail);
                break;
            case "XPASS":
                subtests.Add(rest.ToString(), Verdict.UnexpectedPass);
                break;
            case "ABORT":
                Abort ??= ConsoleText.Shorten(rest.ToString(), SubtestCollector.MaxDetailLength);
                subtests.Add(rest.ToString(), Verdict.Fail, "aborted");
                break;
            case "SUMMARY":
                Summary = ConsoleText.Shorten(rest.ToString(), SubtestCollector.MaxNameLength);
                break;
            case "MEASURE":
                Measure(rest);
                break;
            case "EXIT" when ExitStatus is null:
                ExitStatus = Status(rest);
                break;
        }
    }

    // "name value unit"; the name may have spaces.
    private void Measure(ReadOnlySpan<char> text)
    {
        var unit = text.LastIndexOf(' ');
        if (unit <= 0)
            return;
        var head = text[..unit].TrimEnd();
        var value = head.LastIndexOf(' ');
        if (value <= 0 || !double.TryParse(head[(value + 1)..], NumberStyles.Float, CultureInfo.InvariantCulture, out var number) || !double.IsFinite(number))
            return;
        var name = ConsoleText.Shorten($"{head[..value].TrimEnd()} {text[(unit + 1)..]}", SubtestCollector.MaxNameLength);
        if (measurements.Count < MaxMeasurements || measurements.ContainsKey(name))
            measurements[name] = number;
        else
            MeasurementsLost++;
    }

    // Its runner takes the digits behind the line's last "STATUS=".
    private static int? Status(ReadOnlySpan<char> text)
    {
        var at = text.LastIndexOf("STATUS=");
        if (at < 0)
            return null;
        var digits = text[(at + 7)..];
        var length = 0;
        while (length < digits.Length && char.IsAsciiDigit(digits[length]))
            length++;
        return int.TryParse(digits[..length], NumberStyles.None, CultureInfo.InvariantCulture, out var status) ? status : null;
    }
}
