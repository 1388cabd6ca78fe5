using System.Diagnostics;
using Gauntlet.Fuzz.Oracles;

namespace Gauntlet.Fuzz.Triage;

/// <summary>A failed run, and the bucket that it falls into.</summary>
/// <param name="Bucket">The same for the same fault: kind, and the innermost frames without addresses and lines.</param>
/// <param name="Report">For people: message and stack.</param>
public sealed record Finding(string Bucket, string Report)
{
    private const int FramesInBucket = 3;

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
}
