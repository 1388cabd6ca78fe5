namespace Gauntlet.Harness.Suites;

/// <summary>What kvm-unit-tests' <c>configure</c> decided: its <c>config.mak</c>, which its runner sources as shell variables.</summary>
public static class KutConfiguration
{
    public const string FileName = "config.mak";

    private const int MaxBytes = 64 << 10;

    /// <summary>The variables of a <c>config.mak</c>; empty when there is none.</summary>
    public static IReadOnlyDictionary<string, string> Read(string path)
    {
        var variables = new Dictionary<string, string>();
        try
        {
            if (new FileInfo(path) is not { Exists: true, Length: <= MaxBytes })
                return variables;
            foreach (var raw in File.ReadLines(path))
            {
                var line = raw.Trim();
                var name = ShellWords.NameLength(line);
                if (name > 0 && name < line.Length && line[name] == '=')
                    variables[line[..name]] = Unquote(line[(name + 1)..]);
            }
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // As when there is none: the architecture is then asked for.
        }

        return variables;
    }

    /// <summary>The kernel's name of an architecture that kvm-unit-tests spells its own way: <c>aarch64</c> for <c>arm64</c>.</summary>
    public static string KernelArch(string arch) => arch == "arm64" ? "aarch64" : arch;

    /// <summary>The architecture that a folder's name says: kvm-unit-tests', or a kernel's; null: none.</summary>
    public static string? ArchOfFolder(string folder) => Path.GetFileName(Path.TrimEndingDirectorySeparator(folder)) switch
    {
        "x86" or "x86_64" => "x86_64",
        "i386" => "i386",
        "arm" or "arm64" or "aarch64" => "aarch64",
        "riscv" or "riscv64" => "riscv64",
        "riscv32" => "riscv32",
        "powerpc" or "ppc64" => "ppc64",
        "s390x" => "s390x",
        _ => null,
    };

    private static string Unquote(string value) =>
        value.Length >= 2 && value[0] is '"' or '\'' && value[^1] == value[0] ? value[1..^1] : value;
}
