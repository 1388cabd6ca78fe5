using System.Globalization;
using System.Text;
using System.Text.RegularExpressions;
using Gauntlet.Results.Yaml;
using Gauntlet.Terminal;

namespace Gauntlet.Harness.Suites;

/// <summary>What the environment file says about where the guest runs.</summary>
/// <param name="Target"><c>TARGET</c>: <c>qemu</c>, <c>kvmtool</c>, or empty where kvm-unit-tests was configured without it.</param>
/// <param name="Accel"><c>QEMU_ACCEL</c>.</param>
/// <param name="VmmVersion">The VMM's version as it says itself, <c>7.2.22</c>; null: not known.</param>
/// <param name="KernelRelease">The host's, as uname(2) says: <c>6.1.0-18-amd64</c>.</param>
public readonly record struct EnvironmentFacts(string Target, string Accel, string? VmmVersion, string KernelRelease);

/// <summary>
/// Content of the file that kvm-unit-tests' guests get as their initial RAM disk (<c>initrd_create</c> in scripts/arch-run.bash there): <c>NAME=value</c> lines with
/// the VMM's and the host kernel's versions, and which errata the host may be expected to have fixed.
/// </summary>
public static partial class EnvironmentFile
{
    /// <summary>Bytes that a file named by <c>KVM_UNIT_TESTS_ENV</c> or <c>ERRATATXT</c> may have.</summary>
    private const int MaxBytes = 256 << 10;

    /// <summary>Builds the content.</summary>
    /// <param name="variables">
    /// The suite's. <c>ERRATATXT</c> names the list of errata, <c>ERRATA_*</c> set single ones, <c>KVM_UNIT_TESTS_ENV</c> names a file whose lines are added.
    /// </param>
    /// <exception cref="UserException">A file that a variable names can't be read or understood.</exception>
    public static string Build(in EnvironmentFacts facts, IReadOnlyDictionary<string, string> variables)
    {
        var lines = new StringBuilder();
        var names = new HashSet<string>(StringComparer.Ordinal);
        void Add(string name, string value)
        {
            if (names.Add(name))
                lines.Append(name).Append('=').Append(value).Append('\n');
        }

        Add("TARGET", facts.Target);
        if (facts.Target is "" or "qemu")
        {
            var version = (facts.VmmVersion ?? "").Split('.');
            Add("QEMU_ACCEL", facts.Accel);
            Add("QEMU_VERSION_STRING", facts.VmmVersion is null ? "" : $"QEMU emulator version {facts.VmmVersion}");
            Add("QEMU_MAJOR", version[0]);
            Add("QEMU_MINOR", version.ElementAtOrDefault(1) ?? "");
            Add("QEMU_MICRO", version.ElementAtOrDefault(2) ?? "");
        }

        var kernel = KernelVersion.Parse(facts.KernelRelease);
        Add("KERNEL_VERSION_STRING", facts.KernelRelease);
        Add("KERNEL_VERSION", Text(kernel.Version));
        Add("KERNEL_PATCHLEVEL", Text(kernel.PatchLevel));
        Add("KERNEL_SUBLEVEL", Text(kernel.SubLevel));
        Add("KERNEL_EXTRAVERSION", Text(kernel.ExtraVersion));
        if (variables.GetValueOrDefault("KVM_UNIT_TESTS_ENV") is { Length: > 0 } further && File.Exists(further))
        {
            foreach (var line in TextFile.Read(further, MaxBytes, "KVM_UNIT_TESTS_ENV").Split('\n'))
            {
                if (Assignment().Match(line) is { Success: true } match)
                    Add(match.Groups[1].Value, match.Groups[2].Value.TrimEnd('\r').Trim('"', '\''));
            }
        }

        foreach (var (name, value) in Errata(facts, kernel, variables))
            Add(name, value);
        return lines.ToString();
    }

    // An emulator owes nothing to the host's kernel: with TCG every test behind an erratum runs.
    private static SortedDictionary<string, string> Errata(in EnvironmentFacts facts, in KernelVersion kernel, IReadOnlyDictionary<string, string> variables)
    {
        var errata = new SortedDictionary<string, string>(StringComparer.Ordinal);
        foreach (var (name, value) in variables)
        {
            if (name.StartsWith("ERRATA_", StringComparison.Ordinal))
                errata[name] = value;
        }

        if (facts.Accel == "tcg")
        {
            errata["ERRATA_FORCE"] = "y";
            return errata;
        }

        if (variables.GetValueOrDefault("ERRATATXT") is not { Length: > 0 } path)
            return errata;
        var number = 0;
        foreach (var line in TextFile.Read(path, MaxBytes, "ERRATATXT").Split('\n'))
        {
            number++;
            if (line.TrimStart().StartsWith('#'))
                continue;
            var fields = line.Split(':');
            var commit = fields[0].Trim();
            if (commit.Length == 0)
                continue;
            var least = KernelVersion.Parse(fields.Length > 1 ? fields[1].Trim() : "");
            if (least.Version is null || least.PatchLevel is null)
                throw new UserException($"{path}:{number}: expected 'commit : minimum kernel version : summary', found '{line.Trim()}'.");
            errata.TryAdd("ERRATA_" + commit, kernel.IsAtLeast(least) ? "y" : "n");
        }

        return errata;
    }

    private static string Text(int? number) => number?.ToString(CultureInfo.InvariantCulture) ?? "";

    [GeneratedRegex("^[ \t]*([A-Za-z_][A-Za-z0-9_]*)=(.*)$", RegexOptions.CultureInvariant)]
    private static partial Regex Assignment();
}

/// <summary>A Linux version in the parts that kvm-unit-tests compares: <c>6.1.0-18-amd64</c> is 6, 1, 0, 18. Parts that aren't there are null.</summary>
public readonly record struct KernelVersion(int? Version, int? PatchLevel, int? SubLevel, int? ExtraVersion)
{
    public static KernelVersion Parse(string release)
    {
        var dots = release.Split('.', 3);
        var rest = dots.Length > 2 ? dots[2].Split('-', 2) : [];
        // "4.9" has no third part; "5.10-rc1" keeps its suffix on the second.
        return new KernelVersion(
            Whole(dots[0]), dots.Length > 1 ? Leading(dots[1]) : null, rest.Length > 0 ? Leading(rest[0]) : null, rest.Length > 1 ? Leading(rest[1]) : null);
    }

    /// <summary>This kernel has what <paramref name="least"/> brought. A part that either lacks counts as met only where the minimum asks for zero.</summary>
    public bool IsAtLeast(in KernelVersion least)
    {
        if (Version is null || PatchLevel is null)
            return false;
        if (Version != least.Version)
            return Version > least.Version;
        if (PatchLevel != least.PatchLevel)
            return PatchLevel > least.PatchLevel;
        if (SubLevel is null || least.SubLevel is null)
            return least.SubLevel is null or 0;
        if (SubLevel != least.SubLevel)
            return SubLevel > least.SubLevel;
        return ExtraVersion is null || least.ExtraVersion is null ? least.ExtraVersion is null or 0 : ExtraVersion >= least.ExtraVersion;
    }

    private static int? Whole(string text) => int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var number) ? number : null;

    private static int? Leading(string text) => Whole(new string([.. text.TakeWhile(char.IsAsciiDigit)]));
}
