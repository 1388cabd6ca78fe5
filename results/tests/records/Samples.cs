using Gauntlet.Results.Records;

namespace Gauntlet.Results.Tests.Records;

/// <summary>Records with the least that a test has to say.</summary>
internal static class Samples
{
    public static readonly DateTime Noon = new(2026, 11, 20, 12, 0, 0, DateTimeKind.Utc);

    public static readonly Cell Tcg = new("qemu", "tcg", "x86_64");

    public static readonly Cell Kvm = new("qemu", "kvm", "x86_64");

    public static Run Run(string id, string? branch = null, DateTime? started = null) =>
        new() { Id = id, StartedUtc = started ?? Noon, State = RunState.Running, CommandLine = "gauntlet run", Branch = branch };

    public static Job Job(string name, Cell? cell = null, string suite = "smoke") => new() { Suite = suite, Case = name, Cell = cell ?? Tcg, Image = $"/images/{name}.elf" };

    public static Attempt Attempt(Verdict verdict, double cpu = 1, params Artifact[] artifacts) => new()
    {
        CommandLine = ["/usr/bin/qemu-system-x86_64", "-kernel", "/images/a.elf"],
        StartedUtc = Noon,
        Verdict = verdict,
        Reason = verdict == Verdict.Pass ? null : "said so",
        CpuSeconds = cpu,
        WallSeconds = cpu * 2,
        Artifacts = artifacts,
    };

    public static JobResult Result(Job job, Verdict verdict, params Artifact[] artifacts) => Result(job, verdict, 1, artifacts);

    public static JobResult Result(Job job, Verdict verdict, double cpu, params Artifact[] artifacts) => new()
    {
        Job = job,
        Verdict = verdict,
        Reason = verdict == Verdict.Pass ? null : "said so",
        Attempts = [Attempt(verdict, cpu, artifacts)],
    };

    /// <summary>Bytes that differ with the seed.</summary>
    public static byte[] Bytes(int seed, int length = 100)
    {
        var bytes = new byte[length];
        new Random(seed).NextBytes(bytes);
        return bytes;
    }

    /// <summary>The hash of <see cref="Bytes"/>.</summary>
    public static string Hash(int seed) => Convert.ToHexStringLower(System.Security.Cryptography.SHA256.HashData(Bytes(seed)));
}
