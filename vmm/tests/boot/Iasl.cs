using System.Diagnostics;

namespace Gauntlet.Vmm.Tests.Boot;

/// <summary>ACPICA's disassembler, a reader of tables that is not ours.</summary>
internal static class Iasl
{
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(60);

    public static string? Path { get; } = (Environment.GetEnvironmentVariable("PATH") ?? "").Split(':', StringSplitOptions.RemoveEmptyEntries)
        .Select(folder => System.IO.Path.Combine(folder, "iasl")).FirstOrDefault(File.Exists);

    /// <summary>The source that a table is made of, with the disassembler's remarks; fails when it does not take it.</summary>
    public static string Disassemble(string name, byte[] table)
    {
        var folder = Directory.CreateTempSubdirectory("gauntlet-iasl-");
        try
        {
            var file = System.IO.Path.Combine(folder.FullName, name + ".aml");
            File.WriteAllBytes(file, table);
            using var process = Process.Start(new ProcessStartInfo(Path!, ["-d", file]) { RedirectStandardOutput = true, RedirectStandardError = true })!;
            var errors = process.StandardError.ReadToEndAsync();
            var output = process.StandardOutput.ReadToEnd();
            if (!process.WaitForExit(Limit))
                process.Kill();
            Assert.True(process.ExitCode == 0, $"{name}: {output}{errors.Result}");
            return File.ReadAllText(System.IO.Path.ChangeExtension(file, ".dsl")) + errors.Result;
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }
}

/// <summary>A test that needs iasl; skipped where there is none.</summary>
[AttributeUsage(AttributeTargets.Method)]
public sealed class IaslFactAttribute : FactAttribute
{
    public IaslFactAttribute()
    {
        if (WhyNot is { } why)
            Skip = why;
    }

    private static string? WhyNot => Iasl.Path is null ? "iasl is not on PATH: install acpica-tools" : null;
}
