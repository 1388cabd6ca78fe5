using Gauntlet.Harness.Drivers;

namespace Gauntlet.Harness.Tests.Scheduling;

internal static class Scripts
{
    /// <summary>A process that is a shell's command line.</summary>
    public static LaunchPlan Plan(string script) => new() { CommandLine = ["/bin/sh", "-c", script], WorkingDirectory = "/" };

    /// <summary>An executable shell script: a VMM that does as told.</summary>
    public static string Script(this TemporaryFolder folder, string name, string body)
    {
        var path = folder.Write(name, "#!/bin/sh\n" + body + "\n");
        File.SetUnixFileMode(path, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        return path;
    }
}
