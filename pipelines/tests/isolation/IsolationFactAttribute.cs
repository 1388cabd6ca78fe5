using System.Diagnostics;

namespace Gauntlet.Pipelines.Tests.Isolation;

/// <summary>A test that needs namespaces; skipped, with what the host says, where it gives none.</summary>
public class IsolationFactAttribute : FactAttribute
{
    public IsolationFactAttribute()
    {
        using var process = Process.Start(new ProcessStartInfo("unshare", ["--mount", "--pid", "--net", "--fork", "/bin/true"]) { RedirectStandardError = true })!;
        var error = process.StandardError.ReadToEnd();
        process.WaitForExit();
        if (process.ExitCode != 0)
            Skip = $"this host gives no namespaces: {error.Trim()}";
    }
}
