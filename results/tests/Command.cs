using System.Diagnostics;
using System.Reflection;

namespace Gauntlet.Results.Tests;

/// <summary>Other programs, and this assembly as another process.</summary>
internal static class Command
{
    /// <summary>Runs to the end; standard output. Throws with standard error when the status is not 0.</summary>
    public static string Run(string program, params IEnumerable<string> arguments)
    {
        using var process = Start(program, arguments);
        var error = process.StandardError.ReadToEndAsync();
        var output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        return process.ExitCode == 0 ? output : throw new InvalidOperationException($"{program} ended with {process.ExitCode}: {error.Result}{output}");
    }

    public static Process Start(string program, params IEnumerable<string> arguments)
    {
        var start = new ProcessStartInfo(program) { RedirectStandardOutput = true, RedirectStandardError = true, RedirectStandardInput = true };
        foreach (var argument in arguments)
            start.ArgumentList.Add(argument);
        return Process.Start(start)!;
    }

    /// <summary>Starts <see cref="Program"/> of this assembly.</summary>
    public static Process StartSelf(params IEnumerable<string> arguments) => Start(
        Environment.GetEnvironmentVariable("DOTNET_HOST_PATH") ?? "dotnet", ["exec", Assembly.GetExecutingAssembly().Location, .. arguments]);

    /// <summary>Where a program is in PATH or in one more folder; null: nowhere.</summary>
    public static string? Find(string program, params IEnumerable<string> folders) => (Environment.GetEnvironmentVariable("PATH") ?? "")
        .Split(':', StringSplitOptions.RemoveEmptyEntries).Concat(folders).Select(folder => Path.Combine(folder, program)).FirstOrDefault(File.Exists);
}
