using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using Gauntlet.Harness.Suites;
using Gauntlet.Results.Reports;
using Gauntlet.Results.Yaml;
using Gauntlet.Terminal;

namespace Gauntlet.Fuzz.Triage;

/// <summary>A finding as a case of a suite.</summary>
/// <param name="Name">Unique in the suite: see <see cref="SuiteFile.NameOf(int, string)"/>.</param>
/// <param name="Script">Name of a qtest script in the suite's folder.</param>
/// <param name="Machine">As <c>-machine</c> takes it.</param>
/// <param name="Arguments">Options of the VMM that bring the devices.</param>
/// <param name="Why">Its bucket, whole; a comment.</param>
public sealed record SuiteCase(string Name, string Script, string Machine, IReadOnlyList<string> Arguments, string Why)
{
    /// <summary>RAM of the machine; null: as a case has by itself.</summary>
    public int? MemoryMiB { get; init; }
}

/// <summary>
/// <c>suite.yaml</c> beside the scripts of what was found: what a night of fuzzing found is a case of the matrix in the morning (<c>gauntlet run --suite</c>) and can gate merges.
/// Cases are added, and what is there stays; a file appears whole.
/// </summary>
public static class SuiteFile
{
    private const int SlugCharacters = 56;

    /// <summary>A bucket's name as a case: <c>003-assertion-intel-iommu-c-vtd-mem-write-size-4</c>.</summary>
    public static string NameOf(int number, string bucket) => string.Create(CultureInfo.InvariantCulture, $"{number:d3}-{Slug(bucket)}");

    /// <summary>A bucket's name as a case where buckets' numbers may change: <c>overflowexception-i8254-write-3fa9</c>.</summary>
    public static string NameOf(string bucket) => $"{Slug(bucket)}-{Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(bucket)).AsSpan(0, 2))}";

    /// <summary>Small letters, digits and single hyphens, for names.</summary>
    public static string Slug(string text)
    {
        var slug = new StringBuilder();
        foreach (var letter in text)
        {
            if (char.IsAsciiLetterOrDigit(letter))
                slug.Append(char.ToLowerInvariant(letter));
            else if (slug.Length > 0 && slug[^1] != '-')
                slug.Append('-');
            if (slug.Length >= SlugCharacters)
                break;
        }

        return slug.ToString().Trim('-') is { Length: > 0 } named ? named : "case";
    }

    /// <summary>Adds a case to the folder's suite, unless one of its name is there.</summary>
    /// <param name="suite">The suite's name, where it is made.</param>
    /// <param name="vmm">That it was found on, for the commands in a new suite's comment.</param>
    /// <exception cref="UserException">The suite that is there cannot be read or added to, or the script cannot be played; nothing was written.</exception>
    /// <exception cref="IOException">It cannot be written.</exception>
    public static void Add(string folder, string suite, string vmm, SuiteCase found)
    {
        _ = QtestFile.Read(Path.Combine(folder, found.Script));
        var path = Path.Combine(folder, SuiteYaml.FileName);
        string text;
        if (File.Exists(path))
        {
            var before = YamlFile.Load(path);
            if (before.Maps("cases").Any(entry => entry.Text("name") == found.Name))
                return;
            text = TextFile.Read(path, YamlFile.MaxBytes).TrimEnd('\n') + "\n";
        }
        else
        {
            text = Header(Path.GetFullPath(path), suite, vmm);
        }

        text += Text(found);
        if (!YamlFile.Parse(text, path).Maps("cases").Any(entry => entry.Text("name") == found.Name))
            throw new UserException($"{path}: a case cannot be added behind what was changed there.");
        var temporary = path + ".tmp";
        File.WriteAllText(temporary, text);
        File.Move(temporary, path, overwrite: true);
    }

    private static string Header(string path, string suite, string vmm)
    {
        var bisect = vmm == "qemu" ? "--vmm qemu --source ~/qemu --good v7.1.0 --bad v7.2.0" : "--good HEAD~20";
        return $"""
            # What fuzzing found, a case for each bucket: it fails on the VMM that it was found on until that is mended, and passes or is skipped elsewhere.
            #   gauntlet run --suite {ShellCommand.Quote(path)} --vmm qemu,gvmm --accel tcg
            #   gauntlet bisect {bisect} --suite {ShellCommand.Quote(path)} -- CASE
            schema: 1
            name: {Quoted(suite)}
            arch: x86_64
            timeout: 40s
            cases:

            """;
    }

    private static string Text(SuiteCase found)
    {
        var text = new StringBuilder();
        foreach (var line in found.Why.Split('\n'))
            text.Append(CultureInfo.InvariantCulture, $"  # {Harmless.Line(line)}\n");
        text.Append(CultureInfo.InvariantCulture, $"  - name: {Quoted(found.Name)}\n    qtest: {Quoted(found.Script)}\n    machine: {Quoted(found.Machine)}\n");
        if (found.MemoryMiB is { } memory)
            text.Append(CultureInfo.InvariantCulture, $"    memory: {memory}\n");
        if (found.Arguments.Count > 0)
            text.Append(CultureInfo.InvariantCulture, $"    args: [{string.Join(", ", found.Arguments.Select(Quoted))}]\n");
        return text.ToString();
    }

    // A double-quoted scalar (YAML 1.2, 7.3.1): what has no look of its own, line ends among it, by its number.
    private static string Quoted(string text)
    {
        var quoted = new StringBuilder("\"");
        foreach (var rune in text.EnumerateRunes())
        {
            if (rune.Value is '"' or '\\')
                quoted.Append('\\').Append(rune);
            else if (Rune.IsControl(rune) || Harmless.Line(rune.ToString()) != rune.ToString())
                quoted.Append(CultureInfo.InvariantCulture, $"\\U{rune.Value:x8}");
            else
                quoted.Append(rune);
        }

        return quoted.Append('"').ToString();
    }
}
