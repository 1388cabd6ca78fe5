using Gauntlet.Results.Yaml;

namespace Gauntlet.Fuzz.Diverge;

/// <summary>A difference that is known and meant.</summary>
/// <param name="Device">As <c>gauntlet fuzz diverge</c> takes it.</param>
/// <param name="Register">That is read, as the register map names it.</param>
/// <param name="Mask">Bits that may differ.</param>
/// <param name="After">Registers that the program must have written before, each of them; empty: whatever it did.</param>
/// <param name="Reason">In a sentence.</param>
/// <param name="Section">Of the specification.</param>
public sealed record AllowedDifference(string Device, string Register, ulong Mask, IReadOnlyList<string> After, string Reason, string Section);

/// <summary>The differences between gvmm and QEMU that are no faults: a YAML file.</summary>
public static class AllowList
{
    private const string Resource = "Gauntlet.Fuzz.Diverge.allowed.yaml";

    /// <summary>The one that comes with the program.</summary>
    public static IReadOnlyList<AllowedDifference> Default()
    {
        using var stream = typeof(AllowList).Assembly.GetManifestResourceStream(Resource)!;
        using var reader = new StreamReader(stream);
        return Read(YamlFile.Parse(reader.ReadToEnd(), "allowed.yaml"));
    }

    /// <exception cref="Terminal.UserException">With file and line.</exception>
    public static IReadOnlyList<AllowedDifference> Load(string path) => Read(YamlFile.Load(path));

    internal static IReadOnlyList<AllowedDifference> Read(YamlMap map)
    {
        map.RequireSchema(1);
        map.RefuseOthersThan("schema", "differences");
        var allowed = new List<AllowedDifference>();
        foreach (var entry in map.Maps("differences"))
        {
            entry.RefuseOthersThan("device", "register", "mask", "after", "reason", "section");
            var device = entry.RequiredText("device");
            if (!DivergenceSubject.All.Any(subject => subject.Name == device))
                throw entry.Error($"'{YamlMap.Shorten(device)}' is no device that is compared: there are {string.Join(", ", DivergenceSubject.All.Select(subject => subject.Name))}.", "device");
            var mask = entry.Text("mask") is not { } text ? ulong.MaxValue
                : text.StartsWith("0x", StringComparison.Ordinal) && ulong.TryParse(text.AsSpan(2), System.Globalization.NumberStyles.AllowHexSpecifier, null, out var bits) ? bits
                : throw entry.Error($"'mask' must be hexadecimal with 0x, not '{YamlMap.Shorten(text)}'.", "mask");
            allowed.Add(new AllowedDifference(device, entry.RequiredText("register"), mask, entry.Texts("after"), entry.RequiredText("reason"), entry.RequiredText("section")));
        }
        return allowed;
    }
}
