namespace Gauntlet.Vmm.Tests.Tracing;

/// <summary>A test that runs a script of QEMU's source; skipped where QEMU_SOURCE names none.</summary>
[AttributeUsage(AttributeTargets.Method)]
public sealed class QemuSourceFactAttribute : FactAttribute
{
    private const string Variable = "QEMU_SOURCE";

    public QemuSourceFactAttribute()
    {
        if (WhyNot() is { } why)
            Skip = why;
    }

    private static string? WhyNot()
    {
        if (Environment.GetEnvironmentVariable(Variable) is not { Length: > 0 } source)
            return $"{Variable} does not name a folder with QEMU's source";
        if (!File.Exists(Path.Combine(source, "scripts", "simpletrace.py")))
            return $"{source}, which {Variable} names, has no scripts/simpletrace.py";
        var folders = (Environment.GetEnvironmentVariable("PATH") ?? "").Split(':', StringSplitOptions.RemoveEmptyEntries);
        return folders.Any(folder => File.Exists(Path.Combine(folder, "python3"))) ? null : "python3 is not on PATH";
    }

    /// <summary>A script in <c>scripts/</c>.</summary>
    public static string Script(string name) => Path.Combine(Environment.GetEnvironmentVariable(Variable)!, "scripts", name);
}
