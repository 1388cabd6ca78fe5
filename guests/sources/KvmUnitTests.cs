using System.Globalization;
using System.Runtime.InteropServices;
using Gauntlet.Guests.Images;
using Gauntlet.Terminal;

namespace Gauntlet.Guests.Sources;

/// <summary>kvm-unit-tests, built from a checkout at a revision and kept by its tree's hash: many revisions side by side, each a folder that is taken as a suite.</summary>
public static class KvmUnitTests
{
    /// <summary>The value of the <c>guest</c> axis.</summary>
    public const string Guest = "kut";

    private const string Hint = "Building kvm-unit-tests takes gcc and make; for another architecture its cross compiler too (apt-get install gcc-aarch64-linux-gnu, gcc-riscv64-linux-gnu).";

    /// <summary>What <c>configure --arch</c> calls architectures, and the prefix of Debian's cross compilers.</summary>
    private static readonly IReadOnlyDictionary<string, (string Arch, string Prefix)> s_architectures = new Dictionary<string, (string, string)>
    {
        ["x86_64"] = ("x86_64", "x86_64-linux-gnu-"),
        ["i386"] = ("i386", "i686-linux-gnu-"),
        ["aarch64"] = ("arm64", "aarch64-linux-gnu-"),
        ["riscv64"] = ("riscv64", "riscv64-linux-gnu-"),
    };

    /// <summary>The built checkout: its root, as <c>--suite</c> takes it.</summary>
    /// <param name="revision">See <see cref="GitSource.ResolveAsync"/>.</param>
    /// <param name="arch">As the kernel names it.</param>
    /// <exception cref="UserException">There is no such revision, or it cannot be built.</exception>
    public static async Task<(string Folder, SourceRevision Revision)> BuildAsync(string checkout, string? revision, string arch, BuildCache cache, CancellationToken cancellation)
    {
        if (!s_architectures.TryGetValue(arch, out var target))
            throw new UserException($"kvm-unit-tests is not built for {arch} here; there are {string.Join(", ", s_architectures.Keys)}.");
        var source = new GitSource(checkout);
        var resolved = await source.ResolveAsync(revision, cancellation);
        string[] configure = ["./configure", $"--arch={target.Arch}", .. IsHost(arch) ? (string[])[] : [$"--cross-prefix={target.Prefix}"]];
        var folder = await cache.GetAsync(
            Guest, source, resolved, string.Join(' ', configure),
            async (sources, result, log) =>
            {
                await ExternalTool.RunAsync(configure, Hint, cancellation, sources, log: log);
                await ExternalTool.RunAsync(["make", string.Create(CultureInfo.InvariantCulture, $"-j{Environment.ProcessorCount}")], Hint, cancellation, sources, log: log);
                foreach (var between in Directory.EnumerateFiles(sources, "*.o", SearchOption.AllDirectories))
                    File.Delete(between);
                Directory.Delete(result);
                Directory.Move(sources, result);
            },
            cancellation);
        return (folder, resolved);
    }

    private static bool IsHost(string arch) => (RuntimeInformation.OSArchitecture, arch) is (Architecture.X64, "x86_64" or "i386") or (Architecture.Arm64, "aarch64") or (Architecture.RiscV64, "riscv64");

    /// <summary>A checkout and a revision as one word: <c>/src/kvm-unit-tests@v1</c>. A folder of that whole name is taken as it is.</summary>
    public static (string Checkout, string? Revision) Parse(string word)
    {
        var at = Directory.Exists(word) ? -1 : word.LastIndexOf('@');
        return at < 0 ? (Path.GetFullPath(word), null) : (Path.GetFullPath(word[..at]), word[(at + 1)..]);
    }
}
