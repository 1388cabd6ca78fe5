using System.ComponentModel;
using System.Diagnostics;
using System.Globalization;
using Gauntlet.Guests.Sources;
using Gauntlet.Harness.Building;
using Gauntlet.Harness.Drivers;
using Gauntlet.Terminal;

namespace Gauntlet.Fuzz.Qemu;

/// <summary>A QEMU that is fuzzed, and the one that must die too before a finding counts.</summary>
/// <param name="Program">Path.</param>
/// <param name="MapBytes">Size of AFL++'s map that it counts into; 0: it is not instrumented.</param>
/// <param name="Plain">Path of one without instrumentation or sanitizer; the same where <paramref name="Program"/> has none.</param>
public sealed record QemuBinary(string Program, int MapBytes, string Plain)
{
    private const string BuiltPrefix = "qemu@";

    // AFL++'s own limit is half of this.
    private const int MostMapBytes = 1 << 29;

    private static readonly TimeSpan LongestVersion = TimeSpan.FromSeconds(60);

    public bool IsInstrumented => MapBytes > 0;

    /// <summary>Finds both.</summary>
    /// <param name="program">Path, a name in PATH, or <c>qemu@DIR[:REV]</c>: built from sources with coverage and AddressSanitizer, or found built.</param>
    /// <param name="plain">Path or name in PATH; not looked for where <paramref name="program"/> is plain itself.</param>
    /// <exception cref="UserException">One is not there.</exception>
    public static async Task<QemuBinary> FindAsync(string program, string plain, CancellationToken cancellation)
    {
        var path = program.StartsWith(BuiltPrefix, StringComparison.Ordinal) ? await BuiltAsync(program, cancellation) : ProgramFinder.InPath(program)
            ?? throw new UserException($"{program} is no program in PATH: install it (Debian's package qemu-system-x86), or name one with --qemu", ExitCode.Environment);
        var bytes = MapBytesOf(path);
        if (bytes == 0)
            return new QemuBinary(path, 0, path);
        var other = ProgramFinder.InPath(plain)
            ?? throw new UserException($"{plain} is no program in PATH: what {program} finds is confirmed on a QEMU without instrumentation; install one (Debian's package qemu-system-x86), or name it with --plain", ExitCode.Environment);
        return MapBytesOf(other) == 0
            ? new QemuBinary(path, bytes, other)
            : throw new UserException($"--plain {plain}: it is instrumented itself; name one that is not");
    }

    /// <summary>What the program says of its map: AFL++'s runtime tells its size and ends when asked, another program tells its version. 0 for the latter.</summary>
    internal static int MapBytesOf(string program)
    {
        var start = new ProcessStartInfo(program, ["--version"]) { RedirectStandardOutput = true, RedirectStandardError = true, RedirectStandardInput = true };
        start.Environment["AFL_DUMP_MAP_SIZE"] = "1";
        foreach (var (name, value) in SanitizerReport.Variables(symbolize: false))
            start.Environment[name] = value;
        try
        {
            using var process = Process.Start(start) ?? throw new IOException("it did not start");
            process.StandardInput.Close();
            _ = process.StandardError.ReadToEndAsync();
            var reading = process.StandardOutput.ReadToEndAsync();
            if (!process.WaitForExit(LongestVersion))
            {
                process.Kill();
                throw new UserException($"{program} --version: no answer in {LongestVersion.TotalSeconds:0} s", ExitCode.Environment);
            }
            return MapBytesIn(reading.GetAwaiter().GetResult());
        }
        catch (Exception exception) when (exception is IOException or Win32Exception)
        {
            throw new UserException($"starting {program}: {exception.Message}", ExitCode.Environment, inner: exception);
        }
    }

    internal static int MapBytesIn(string said) =>
        int.TryParse(said.AsSpan().Trim(), NumberStyles.None, CultureInfo.InvariantCulture, out var bytes) && bytes is > 0 and <= MostMapBytes ? bytes : 0;

    private static async Task<string> BuiltAsync(string name, CancellationToken cancellation)
    {
        var version = name[BuiltPrefix.Length..];
        if (!version.StartsWith('/'))
            version = Path.GetFullPath(version);
        var (source, revision) = VmmSource.Of("qemu", version, null, new QemuOptions { Coverage = true, Sanitizers = ["address"] })!.Value;
        return (await source.BuildAsync(revision, "x86_64", BuildCache.ForUser(), cancellation)).Program;
    }
}
