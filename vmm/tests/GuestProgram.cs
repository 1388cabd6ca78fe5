using System.Diagnostics;

namespace Gauntlet.Vmm.Tests;

/// <summary>Starts gvmm itself, on one of the guest suites' images.</summary>
internal static class GuestProgram
{
    private static readonly TimeSpan s_limit = TimeSpan.FromSeconds(60);

    public static string Gvmm => System.IO.Path.Combine(AppContext.BaseDirectory, "gvmm");

    /// <summary>Runs a suite to its end.</summary>
    /// <param name="suite">Its name.</param>
    /// <returns>The status: 1 when it reports that all went well.</returns>
    public static async Task<int> RunAsync(string suite, params string[] options)
    {
        using var process = Process.Start(new ProcessStartInfo(Gvmm, ["-kernel", ImageOf(suite), .. Bare, .. options]))!;
        return await StatusAsync(process);
    }

    /// <summary>What it prints instead of running a guest.</summary>
    public static async Task<string> OutputAsync(params string[] options)
    {
        using var process = Process.Start(new ProcessStartInfo(Gvmm, options) { RedirectStandardOutput = true })!;
        var output = await process.StandardOutput.ReadToEndAsync();
        Assert.Equal(0, await StatusAsync(process));
        return output;
    }

    /// <summary>No display, and the device by which a suite tells its result.</summary>
    public static IReadOnlyList<string> Bare { get; } = ["-display", "none", "-device", "isa-debug-exit,iobase=0xf4,iosize=4"];

    public static string ImageOf(string suite)
    {
        var relative = $"guests/prebuilt/x86_64/{suite}.elf";
        for (var folder = AppContext.BaseDirectory; folder is not null; folder = System.IO.Path.GetDirectoryName(folder))
        {
            var path = System.IO.Path.Combine(folder, relative);
            if (File.Exists(path))
                return path;
        }
        throw new FileNotFoundException($"no folder above the tests holds {relative}");
    }

    /// <summary>Waits for a process to end by itself; one that does not is ended.</summary>
    public static async Task<int> StatusAsync(Process process)
    {
        using var limit = new CancellationTokenSource(s_limit);
        try
        {
            await process.WaitForExitAsync(limit.Token);
            return process.ExitCode;
        }
        finally
        {
            if (!process.HasExited)
                process.Kill();
        }
    }
}
