namespace Gauntlet.Vmm.Tests.Tracing;

/// <summary>A test that runs a script of QEMU's source; skipped where QEMU_SOURCE names none.</summary>
[AttributeUsage(AttributeTargets.Method)]
public sealed class QemuSourceFactAttribute : FactAttribute
{
    private const string Variable = "QEMU_SOURCE";

    public QemuSourceFactAttribute()
    {
        var folders = (Environment.GetEnvironmentVariable("PATH") ?? "").Split(':', StringSplitOptions.RemoveEmptyEntries);
        if (Environment.GetEnvironmentVariable(Variable) is not { Length: > 0 } source)
            Skip = $"{Variable} does not name a folder with QEMU's source";
        else if (!File.Exists(Path.Combine(source, "scripts", "simpletrace.py")))
            Skip = $"{source}, which {Variable} names, has no scripts/simpletrace.py";
        else if (!folders.Any(folder => File.Exists(Path.Combine(folder, "python3"))))
            Skip = "python3 is not on PATH";
    }

    /// <summary>A script in <c>scripts/</c>.</summary>
    public static string Script(string name) => Path.Combine(Environment.GetEnvironmentVariable(Variable)!, "scripts", name);
}
