using Gauntlet.Vmm.Bus;
using Gauntlet.Vmm.Machines;
using Gauntlet.Vmm.State;

namespace Gauntlet.Vmm.Tests.Devices;

/// <summary>A line that remembers its level and counts rising edges.</summary>
internal sealed class RecordingLine : IIrqLine
{
    public bool Level { get; private set; }

    public int Edges { get; private set; }

    public void Set(bool level)
    {
        if (level && !Level)
            Edges++;
        Level = level;
    }
}

/// <summary>Notes messages.</summary>
internal sealed class RecordingMsi : IMsiTarget
{
    public List<(ulong Address, uint Data)> Messages { get; } = [];

    public void SendMsi(ulong address, uint data) => Messages.Add((address, data));
}

/// <summary>Notes what a device asks of its machine.</summary>
internal sealed class RecordingMachine : IMachineControl
{
    public int Resets { get; private set; }

    public int PowerOffs { get; private set; }

    public int Suspends { get; private set; }

    public int Wakes { get; private set; }

    public List<bool> Panics { get; } = [];

    public List<int> Exits { get; } = [];

    public void RequestReset() => Resets++;

    public void RequestPowerOff() => PowerOffs++;

    public void RequestSuspend() => Suspends++;

    public void RequestWake() => Wakes++;

    public void NotePanic(bool isHandled) => Panics.Add(isHandled);

    public void RequestExit(int status) => Exits.Add(status);
}

internal static class Rig
{
    public static readonly DateTime Start = new(2026, 2, 28, 23, 59, 58, DateTimeKind.Utc);

    public const long Second = 1_000_000_000, Millisecond = 1_000_000, Microsecond = 1_000;

    public static ManualClock NewClock() => new(Start);

    public static byte[] SaveToBytes(this ISaveable device)
    {
        var writer = new StateWriter();
        device.Save(writer);
        return writer.Written.ToArray();
    }

    public static void LoadFrom(this ISaveable device, ReadOnlySpan<byte> state)
    {
        var reader = new StateReader(state);
        device.Load(ref reader);
    }

    public static byte In(this IPortDevice device, int region, uint offset) => (byte)device.ReadPort(region, offset, 1);

    public static void Out(this IPortDevice device, int region, uint offset, byte value) => device.WritePort(region, offset, 1, value);
}
