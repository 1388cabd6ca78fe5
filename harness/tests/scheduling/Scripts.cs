using Gauntlet.Harness.Drivers;

namespace Gauntlet.Harness.Tests.Scheduling;

/// <summary>A private folder, removed with all that is in it.</summary>
public sealed class TemporaryFolder : IDisposable
{
    public TemporaryFolder() => Path = Directory.CreateTempSubdirectory("gauntlet-test-").FullName;

    public string Path { get; }

    public string File(string name) => System.IO.Path.Combine(Path, name);

    /// <summary>An executable shell script.</summary>
    public string Script(string name, string body)
    {
        var path = File(name);
        System.IO.File.WriteAllText(path, "#!/bin/sh\n" + body + "\n");
        System.IO.File.SetUnixFileMode(path, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        return path;
    }

    public void Dispose() => Directory.Delete(Path, recursive: true);
}

internal static class Plans
{
    /// <summary>A process that is a shell's command line.</summary>
    public static LaunchPlan Shell(string script) => new() { CommandLine = ["/bin/sh", "-c", script], WorkingDirectory = "/" };
}
