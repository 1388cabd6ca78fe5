using System.Diagnostics;
using System.Text.RegularExpressions;
using Gauntlet.Fuzz.Oracles;

namespace Gauntlet.Fuzz.Triage;

/// <summary>A failed run, and the bucket that it falls into.</summary>
/// <param name="Bucket">The same for the same fault: kind, and the innermost frames without addresses and lines.</param>
/// <param name="Report">For people: message and stack.</param>
public sealed partial record Finding(string Bucket, string Report)
{
    private const int FramesInBucket = 3, LongestKind = 120, LongestReport = 16_000;

    private const string Overflow = "Stack overflow", Own = "Gauntlet.";

    public static Finding From(Exception exception)
    {
        if (exception is OracleException oracle)
            return new Finding(oracle.Rule, oracle.Message);
        var frames = new StackTrace(exception).GetFrames()
            .Select(frame => frame.GetMethod())
            .Where(method => method?.DeclaringType?.Namespace?.StartsWith("Gauntlet", StringComparison.Ordinal) == true)
            .Take(FramesInBucket)
            .Select(method => $"{method!.DeclaringType!.Name}.{method.Name}");
        return new Finding($"{exception.GetType().Name} {string.Join(" < ", frames)}", exception.ToString());
    }

    /// <summary>A run that did not end in time.</summary>
    public static Finding Hang(TimeSpan longest) => new($"hang: longer than {longest.TotalSeconds:0.0} s", "the run was ended");

    /// <summary>Of a process that a run ended.</summary>
    /// <param name="errors">What the .NET runtime wrote on its way out, if anything: <c>Environment.FailFast</c>, a stack overflow, an exception that nobody caught.</param>
    public static Finding FromDeath(int status, string errors)
    {
        var ended = $"process ended with status {status}";
        var report = errors.Length == 0 ? ended : $"{ended}\n{(errors.Length > LongestReport ? errors[..LongestReport] : errors)}";
        var lines = errors.Split('\n', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries);
        var isOverflow = lines.Any(static line => line.StartsWith(Overflow, StringComparison.Ordinal));
        var frames = lines.Select(static line => Frame().Match(line)).Where(static match => match.Success && match.Groups["type"].Value.StartsWith(Own, StringComparison.Ordinal))
            .Select(static match => $"{match.Groups["type"].Value.Split('.', '+')[^1]}.{match.Groups["method"].Value}").ToList();
        if (frames.Count == 0)
            return new Finding(isOverflow ? "stack overflow" : ended, report);
        if (isOverflow)
        {
            // Where in its circle the stack ends is chance: which functions go round is not.
            var round = Repeated(lines);
            var names = (round.Count > 0 ? frames[..Math.Min(round.Count, frames.Count)] : frames).Distinct().Order(StringComparer.Ordinal).Take(FramesInBucket);
            return new Finding($"stack overflow {string.Join(" < ", names)}", report);
        }
        var kind = string.Join(' ', lines.TakeWhile(static line => !line.StartsWith("at ", StringComparison.Ordinal)));
        kind = Numbers().Replace(kind, "N");
        return new Finding($"{(kind.Length > LongestKind ? kind[..LongestKind] : kind)} {string.Join(" < ", frames.Take(FramesInBucket))}", report);
    }

    // Own frames between the two rules that the runtime draws around what it does not print again and again.
    private static List<string> Repeated(string[] lines) =>
        [.. lines.SkipWhile(static line => !line.StartsWith("---", StringComparison.Ordinal)).Skip(1)
            .TakeWhile(static line => !line.StartsWith("---", StringComparison.Ordinal))
            .Where(static line => Frame().Match(line) is { Success: true } match && match.Groups["type"].Value.StartsWith(Own, StringComparison.Ordinal))];

    [GeneratedRegex(@"^at (?<type>\S+)\.(?<method>[^.(\s]+)\(")]
    private static partial Regex Frame();

    [GeneratedRegex(@"0x[0-9a-fA-F]+|\d+")]
    private static partial Regex Numbers();
}
