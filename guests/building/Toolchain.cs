using System.ComponentModel;
using System.Diagnostics;
using Gauntlet.Terminal;

namespace Gauntlet.Guests.Building;

/// <summary>Debian's clang, lld and llvm-objcopy: the one compiler of all guests.</summary>
public sealed class Toolchain
{
    private const string InstallHint = "Install the tools that build guests: apt-get install clang lld llvm";

    private Toolchain(string clang, string linker, string objcopy, string version)
    {
        Clang = clang;
        Linker = linker;
        Objcopy = objcopy;
        Version = version;
    }

    public string Clang { get; }

    public string Linker { get; }

    public string Objcopy { get; }

    /// <summary>First version line of compiler and linker, joined by "; ".</summary>
    public string Version { get; }

    /// <summary>Finds the tools on PATH, or one version of them by its suffix.</summary>
    /// <param name="suffix">What follows the programs' names, as "-14" in Debian; empty for the default version.</param>
    /// <exception cref="UserException">A tool is missing or cannot be started.</exception>
    public static async Task<Toolchain> FindAsync(string suffix = "", CancellationToken cancellation = default)
    {
        var clang = "clang" + suffix;
        var linker = "ld.lld" + suffix;
        var objcopy = "llvm-objcopy" + suffix;
        var versions = await Task.WhenAll(VersionAsync(clang, cancellation), VersionAsync(linker, cancellation), VersionAsync(objcopy, cancellation));
        return new Toolchain(clang, linker, objcopy, $"{versions[0]}; {versions[1]}");
    }

    /// <summary>Runs a tool and waits for its end.</summary>
    /// <param name="workingDirectory">Arguments name sources relative to it, so that no path of this host enters an image.</param>
    /// <exception cref="UserException">It cannot be started, or it failed: the message holds what it wrote.</exception>
    public static async Task<string> RunAsync(string program, IEnumerable<string> arguments, string workingDirectory, CancellationToken cancellation)
    {
        var start = new ProcessStartInfo(program, arguments)
        {
            WorkingDirectory = workingDirectory,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            RedirectStandardInput = true,
        };
        // Messages of the tools are shown to the user as they are; their dates must not depend on the clock.
        start.Environment["LC_ALL"] = "C";
        start.Environment["SOURCE_DATE_EPOCH"] = "0";
        using var process = new Process { StartInfo = start };
        try
        {
            process.Start();
        }
        catch (Win32Exception e)
        {
            throw new UserException($"'{program}' cannot be started: {e.Message}. {InstallHint}", ExitCode.Environment, e);
        }
        process.StandardInput.Close();
        try
        {
            var output = process.StandardOutput.ReadToEndAsync(cancellation);
            var errors = process.StandardError.ReadToEndAsync(cancellation);
            await Task.WhenAll(output, errors, process.WaitForExitAsync(cancellation));
            if (process.ExitCode != 0)
                throw new UserException($"{program} ended with status {process.ExitCode}:\n{errors.Result}{output.Result}".TrimEnd(), ExitCode.Failure);
            return output.Result;
        }
        catch (OperationCanceledException)
        {
            process.Kill(entireProcessTree: true);
            throw;
        }
    }

    private static async Task<string> VersionAsync(string program, CancellationToken cancellation)
    {
        var text = await RunAsync(program, ["--version"], Path.GetTempPath(), cancellation);
        return text.Split('\n')[0].Trim();
    }
}
