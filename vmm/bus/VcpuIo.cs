using Gauntlet.Vmm.Accel;

namespace Gauntlet.Vmm.Bus;

/// <summary>A per-CPU device in front of the memory bus: the local APIC, which answers only its own CPU, wherever IA32_APIC_BASE puts it.</summary>
public interface ICpuLocalMmio
{
    /// <summary>True when the access is the device's; called with the device lock held.</summary>
    bool TryRead(ulong address, int size, out ulong value);

    /// <summary>True when the access is the device's; called with the device lock held.</summary>
    bool TryWrite(ulong address, int size, ulong value);
}

/// <summary>
/// One vCPU's way to the buses: takes the device lock, and lets nothing out. An exception in a device is a fault of the VMM, never of the
/// guest: it is handed to <paramref name="onDeviceFault"/>, which ends the machine with a report, and the access reads as all ones.
/// </summary>
public sealed class VcpuIo(IoBus bus, ICpuLocalMmio? local, Action<Exception> onDeviceFault) : IVcpuIo
{
    public uint ReadPort(ushort port, int size)
    {
        try
        {
            lock (bus.DeviceLock)
                return bus.ReadPort(port, size);
        }
        catch (Exception fault)
        {
            onDeviceFault(fault);
            return uint.MaxValue;
        }
    }

    public void WritePort(ushort port, int size, uint value)
    {
        try
        {
            lock (bus.DeviceLock)
                bus.WritePort(port, size, value);
        }
        catch (Exception fault)
        {
            onDeviceFault(fault);
        }
    }

    public ulong ReadMmio(ulong address, int size)
    {
        try
        {
            lock (bus.DeviceLock)
                return local is not null && local.TryRead(address, size, out var value) ? value : bus.ReadMmio(address, size);
        }
        catch (Exception fault)
        {
            onDeviceFault(fault);
            return ulong.MaxValue;
        }
    }

    public void WriteMmio(ulong address, int size, ulong value)
    {
        try
        {
            lock (bus.DeviceLock)
            {
                if (local is null || !local.TryWrite(address, size, value))
                    bus.WriteMmio(address, size, value);
            }
        }
        catch (Exception fault)
        {
            onDeviceFault(fault);
        }
    }
}
