using System.Text;
using Gauntlet.Pipelines.Checks.Parsing;

namespace Gauntlet.Pipelines.Checks.Inputs;

/// <summary>Patches and source files by their paths.</summary>
internal static class InputFiles
{
    /// <summary>Larger inputs are refused: nobody reviews them, and they would fill memory.</summary>
    public const int MaxBytes = 512 * 1024 * 1024;

    public static IEnumerable<PatchInput> Open(CheckOptions options, bool wholeFiles)
    {
        foreach (var name in options.Inputs)
        {
            var announces = options.Inputs.Count > 1 && options.Quiet == 0;
            var display = name == "-" ? "Your patch" : name;
            var announcement = announces ? $"Checking {name}..." : null;
            if (wholeFiles || options.Legacy || options.Fix)
            {
                yield return new PatchInput(name, display, announcement, wholeFiles, () => wholeFiles ? AsPatch(name) : Read(name));
                continue;
            }
            var bytes = Read(name);
            var starts = Mbox.Starts(bytes);
            if (starts.Count == 1)
            {
                yield return new PatchInput(name, display, announcement, WholeFile: false, () => bytes);
                continue;
            }
            for (var i = 0; i < starts.Count; i++)
            {
                var mail = bytes[starts[i]..(i + 1 < starts.Count ? starts[i + 1] : bytes.Length)];
                var place = $"mail {i + 1} of {starts.Count}";
                yield return new PatchInput(name, $"{display}, {place},", options.Quiet == 0 ? $"Checking {name}, {place}..." : null, WholeFile: false, () => mail);
            }
        }
    }

    private static byte[] Read(string name)
    {
        if (name == "-")
        {
            using var input = Console.OpenStandardInput();
            using var bytes = new MemoryStream();
            var buffer = new byte[64 * 1024];
            for (int count; (count = input.Read(buffer)) > 0;)
            {
                bytes.Write(buffer, 0, count);
                if (bytes.Length > MaxBytes)
                    throw TooLarge("standard input");
            }
            return bytes.ToArray();
        }
        if (Directory.Exists(name))
            throw new CheckException($"cannot check {name}: it is a directory; give the patch files in it, for example {name.TrimEnd('/')}/*.patch");
        try
        {
            if (new FileInfo(name).Length > MaxBytes)
                throw TooLarge(name);
            return File.ReadAllBytes(name);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new CheckException($"cannot read {name}: {e.Message}");
        }
    }

    private static CheckException TooLarge(string name) => new($"cannot check {name}: it is larger than {MaxBytes / 1024 / 1024} MiB");

    /// <summary>A file as <c>diff -u /dev/null</c> shows it.</summary>
    private static byte[] AsPatch(string name)
    {
        var content = Read(name);
        var lines = content.AsSpan().Count((byte)'\n');
        var unterminated = content.Length > 0 && content[^1] != '\n';
        if (unterminated)
            lines++;
        if (lines == 0)
            return [];
        using var patch = new MemoryStream(content.Length + lines + 128);
        patch.Write(Encoding.UTF8.GetBytes($"--- /dev/null\n+++ {name}\n@@ -0,0 +1{(lines == 1 ? "" : "," + lines)} @@\n"));
        var rest = content.AsSpan();
        while (!rest.IsEmpty)
        {
            var end = rest.IndexOf((byte)'\n');
            var length = end < 0 ? rest.Length : end + 1;
            patch.WriteByte((byte)'+');
            patch.Write(rest[..length]);
            rest = rest[length..];
        }
        if (unterminated)
            patch.Write("\n\\ No newline at end of file\n"u8);
        return patch.ToArray();
    }
}
