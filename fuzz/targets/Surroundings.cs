using Gauntlet.Vmm.Bus;
using Gauntlet.Vmm.Devices.Virtio;

namespace Gauntlet.Fuzz.Targets;

/// <summary>The same bytes every time.</summary>
internal sealed class CountingEntropy : IEntropySource
{
    public static readonly CountingEntropy Instance = new();

    public void Fill(Span<byte> destination)
    {
        for (var i = 0; i < destination.Length; i++)
            destination[i] = (byte)(i * 37 + 1);
    }
}

/// <summary>Takes messages, and does nothing.</summary>
internal sealed class NoMessages : IMsiTarget
{
    public static readonly NoMessages Instance = new();

    public void SendMsi(ulong address, uint data) { }
}

/// <summary>Takes what devices ask of the machine, and does nothing.</summary>
internal sealed class NoMachine : IMachineControl
{
    public static readonly NoMachine Instance = new();

    public void RequestReset() { }

    public void RequestPowerOff() { }

    public void RequestSuspend() { }

    public void RequestWake() { }

    public void NotePanic(bool isHandled) { }

    public void RequestExit(int status) { }
}
