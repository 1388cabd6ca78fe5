using System.Diagnostics;
using System.Text.RegularExpressions;
using Gauntlet.Harness.Verdicts;

namespace Gauntlet.Harness.Booting;

/// <summary>Reads a booting kernel's console line by line and notes when what happened. One thread at a time.</summary>
/// <param name="marker">What is waited for.</param>
/// <param name="startTimestamp">Of the process's start, as <see cref="Stopwatch.GetTimestamp"/> counts.</param>
internal sealed partial class BootConsole(Regex marker, long startTimestamp)
{
    /// <summary>Lines that are kept for a failure's message.</summary>
    private const int TailLines = 15;

    private readonly Queue<string> _tail = [];
    private long _lines;

    public double? Kernel { get; private set; }

    public double? UserSpace { get; private set; }

    public double? Marker { get; private set; }

    public double? PowerOff { get; private set; }

    /// <summary>The line that a panic began with.</summary>
    public string? Panic { get; private set; }

    /// <summary>Lines so far; may be read from any thread.</summary>
    public long Lines => Volatile.Read(ref _lines);

    /// <summary>The latest line says that the TSC could not be measured.</summary>
    public bool LostTsc { get; private set; }

    public string Tail => string.Join('\n', _tail);

    public void Line(string line)
    {
        var clean = ConsoleText.Clean(line);
        var at = Stopwatch.GetElapsedTime(startTimestamp).TotalMilliseconds;
        _tail.Enqueue(clean);
        if (_tail.Count > TailLines)
            _tail.Dequeue();
        LostTsc = clean.Contains("could not calculate TSC khz", StringComparison.Ordinal);
        if (clean.Contains("] Linux version ", StringComparison.Ordinal))
            Kernel ??= at;
        else if (clean.Contains(Guests.Images.LinuxRecipe.UserSpaceMarker, StringComparison.Ordinal) || FirstProgram().IsMatch(clean))
            UserSpace ??= at;
        else if (clean.Contains("reboot: Power down", StringComparison.Ordinal))
            PowerOff ??= at;
        // Behind the marker the guest may do as it likes: with no program left, its kernel panics.
        if (Marker is null && marker.IsMatch(clean))
            Marker = at;
        else if (Marker is null && Panic is null && KernelPanic.Is(clean))
            Panic = clean;
        Volatile.Write(ref _lines, _lines + 1);
    }

    // init/main.c, run_init_process.
    [GeneratedRegex(@"\] Run \S+ as init process")]
    private static partial Regex FirstProgram();
}
