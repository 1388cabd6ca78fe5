using Gauntlet.Harness.Suites;
using Gauntlet.Terminal;

namespace Gauntlet.Fuzz.Triage;

/// <summary>
/// Targets in process whose addresses are those of a machine that starts by a command line too, so that their programs are cases of a suite. Other targets are a device alone, on a
/// bus that no machine has.
/// </summary>
public static class BoardCase
{
    // As the boards of the targets are built. Without their isa-debug-exit: a script that ends its VMM by it would look like a crash.
    private static readonly string[] s_pc = ["-serial", "null", "-serial", "null", "-device", "pc-testdev", "-device", "pci-testdev"];
    private static readonly string[] s_microvm = ["-serial", "null", "-device", "virtio-rng-device"];

    private const int MemoryMiB = 2;

    /// <summary>For messages.</summary>
    public const string Targets = "pc, q35, microvm";

    /// <summary>Null: the target is no machine.</summary>
    /// <param name="name">See <see cref="SuiteCase.Name"/>.</param>
    /// <param name="script">See <see cref="SuiteCase.Script"/>.</param>
    /// <param name="why">See <see cref="SuiteCase.Why"/>.</param>
    public static SuiteCase? For(string target, string name, string script, string why) => target switch
    {
        "pc" or "q35" => new SuiteCase(name, script, target, s_pc, why) { MemoryMiB = MemoryMiB },
        "microvm" => new SuiteCase(name, script, target, s_microvm, why) { MemoryMiB = MemoryMiB },
        _ => null,
    };

    /// <summary>Adds a bucket of a run to the suite in its folder, with a script of its own: the bucket's number may come to be another's.</summary>
    /// <param name="script">Path of the bucket's qtest script, in that folder.</param>
    /// <returns>What is to be said of it; null: the target is no machine.</returns>
    public static string? Keep(string target, string bucket, string script)
    {
        var (folder, name) = (Path.GetDirectoryName(script)!, SuiteFile.NameOf(bucket));
        if (For(target, name, $"{name}.qtest", bucket) is not { } found)
            return null;
        try
        {
            File.Copy(script, Path.Combine(folder, found.Script), overwrite: true);
            SuiteFile.Add(folder, $"fuzz-{target}", "gvmm", found);
            return $"case {name} of {Path.Combine(folder, SuiteYaml.FileName)}";
        }
        catch (UserException exception)
        {
            return $"no case of {SuiteYaml.FileName}: {exception.Message}";
        }
    }
}
