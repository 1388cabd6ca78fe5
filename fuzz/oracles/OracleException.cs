namespace Gauntlet.Fuzz.Oracles;

/// <summary>A rule that every target keeps was broken, without an exception of its own.</summary>
/// <param name="rule">Short and stable, part of the bucket: <c>snapshot isa-serial</c>.</param>
/// <param name="message">What was found.</param>
public sealed class OracleException(string rule, string message) : Exception(message)
{
    public string Rule { get; } = rule;

    /// <summary>A run allocated more than it may.</summary>
    public static OracleException Allocation(long bytes, long limit) => new("allocation", $"{bytes} bytes allocated in one run, {limit} are the limit");
}
