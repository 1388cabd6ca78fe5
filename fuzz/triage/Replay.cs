using System.Text;
using Gauntlet.Fuzz.Engine;
using Gauntlet.Fuzz.Oracles;
using Gauntlet.Fuzz.Programs;
using Gauntlet.Fuzz.Targets;
using Gauntlet.Terminal;

namespace Gauntlet.Fuzz.Triage;

/// <summary>Runs kept inputs again, one at a time, on the plain assemblies of this process.</summary>
public static class Replay
{
    private const int MaxFileBytes = 1 << 20;

    /// <summary>An input of a target from a file: its bytes, or for device programs also their text.</summary>
    /// <exception cref="UserException">The file cannot be read, or is text that is no program.</exception>
    public static byte[] Load(string path, Grammar? grammar)
    {
        var file = new FileInfo(path);
        if (!file.Exists)
            throw new UserException($"reading an input: there is no file {path}");
        if (file.Length > MaxFileBytes)
            throw new UserException($"reading an input: {path} has {file.Length} bytes, {MaxFileBytes} are the limit");
        var bytes = File.ReadAllBytes(path);
        if (grammar is null || !IsText(bytes))
            return bytes;
        try
        {
            return ProgramBytes.Encode(ProgramText.Parse(Encoding.UTF8.GetString(bytes)), grammar);
        }
        catch (ProgramFormatException exception)
        {
            throw new UserException($"reading the device program {path}: {exception.Message}", inner: exception);
        }
    }

    /// <summary>What a run of the input came to; null when nothing is wrong.</summary>
    /// <param name="replied">Given each operation and its reply, for targets of device programs.</param>
    public static Finding? Run(IFuzzTarget target, byte[] input, Action<Operation, ulong?>? replied = null)
    {
        var before = GC.GetAllocatedBytesForCurrentThread();
        try
        {
            if (replied is not null && target is DeviceTarget devices)
                devices.Run(ProgramBytes.Decode(input, devices.Grammar), replied);
            else
                target.Run(input);
            if (GC.GetAllocatedBytesForCurrentThread() - before is > FuzzEngine.MaxRunBytes and var bytes)
                throw OracleException.Allocation(bytes, FuzzEngine.MaxRunBytes);
            return null;
        }
        catch (Exception exception)
        {
            return Finding.From(exception);
        }
    }

    /// <summary>The file holds a device program as text.</summary>
    public static bool IsText(string path) => IsText(File.ReadAllBytes(path));

    private static bool IsText(byte[] bytes) => bytes.AsSpan().StartsWith("program "u8) || bytes.AsSpan().StartsWith("#"u8);
}
