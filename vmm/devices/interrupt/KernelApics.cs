using Gauntlet.Vmm.Accel;

namespace Gauntlet.Vmm.Devices.Interrupt;

/// <summary>
/// Local APICs inside the accelerator, beside an IOAPIC of the machine's: its messages are sent as a PCI device's would be. An input in mode ExtINT sends nothing:
/// the PIC reaches local APICs by their LINT0.
/// </summary>
public sealed class KernelApics : IApicMessages
{
    private readonly IKernelIrqChip _irqChip;
    private readonly ISplitIrqChip _split;
    private readonly Lock _deviceLock;
    private readonly List<IoApic> _ioApics = [];

    /// <param name="irqChip">A split one.</param>
    public KernelApics(IKernelIrqChip irqChip, Lock deviceLock)
    {
        _irqChip = irqChip;
        _split = irqChip.Split ?? throw new ArgumentException("the IOAPIC is the accelerator's", nameof(irqChip));
        _deviceLock = deviceLock;
        _split.EndOfInterrupt = BroadcastEoi;
    }

    public void Attach(IoApic ioApic) => _ioApics.Add(ioApic);

    public bool Deliver(in ApicMessage message)
    {
        var (address, data) = message.ToMsi();
        return message.Mode != DeliveryMode.ExtInt && _irqChip.SendMsi(address, data);
    }

    public void NoteInput(int input, in ApicMessage message)
    {
        var (address, data) = message.ToMsi();
        _split.SetInput(input, address, data);
    }

    private void BroadcastEoi(byte vector)
    {
        lock (_deviceLock)
        {
            foreach (var ioApic in _ioApics)
                ioApic.EndOfInterrupt(vector);
        }
    }
}
