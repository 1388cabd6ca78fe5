namespace Gauntlet.Vmm.Bus;

/// <summary>The rate of a device's own clock, and its ticks on virtual time.</summary>
/// <remarks>In 64-bit arithmetic by whole seconds and the rest: exact, and without the 128-bit division that a program would have to compile at its start.</remarks>
/// <param name="Hz">1 to 10^9.</param>
public readonly record struct Frequency(long Hz)
{
    private const long NsPerSecond = 1_000_000_000;

    /// <summary>Whole ticks that have passed at a virtual time of 0 or more.</summary>
    public long TicksAt(long ns) => ns / NsPerSecond * Hz + ns % NsPerSecond * Hz / NsPerSecond;

    /// <summary>The first nanosecond at which that many ticks have passed; the end of time when that is beyond it.</summary>
    public long NsAt(long ticks)
    {
        var seconds = ticks / Hz;
        if (seconds >= long.MaxValue / NsPerSecond)
            return long.MaxValue;
        return seconds * NsPerSecond + (ticks % Hz * NsPerSecond + Hz - 1) / Hz;
    }
}
