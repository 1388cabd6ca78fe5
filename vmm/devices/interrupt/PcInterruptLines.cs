using Gauntlet.Vmm.Accel;
using Gauntlet.Vmm.Bus;

namespace Gauntlet.Vmm.Devices.Interrupt;

/// <summary>
/// The global system interrupts of a PC. With the machine's own controllers line n drives the PIC's input n (below 16) and the IOAPIC's input n, but that
/// the timer's line 0 is on the IOAPIC's input 2 (as the MADT's override says) and line 2, the cascade, on none.
/// </summary>
public sealed class PcInterruptLines
{
    /// <summary>Lines 0 to 23.</summary>
    public const int Count = IoApic.InputCount;

    private const int TimerInput = 2, CascadeLine = 2, PicInputs = 16;

    private readonly IIrqLine[] _lines = new IIrqLine[Count];

    /// <summary>With controllers that the machine models.</summary>
    public PcInterruptLines(I8259 pic, IoApic ioApic)
    {
        for (var i = 0; i < Count; i++)
        {
            _lines[i] = i switch
            {
                CascadeLine => UnconnectedIrqLine.Instance,
                0 => new Both(pic.GetLine(0), ioApic.GetLine(TimerInput)),
                < PicInputs => new Both(pic.GetLine(i), ioApic.GetLine(i)),
                _ => ioApic.GetLine(i),
            };
        }
    }

    /// <summary>With controllers inside the accelerator.</summary>
    public PcInterruptLines(IKernelIrqChip irqChip)
    {
        for (var i = 0; i < Count; i++)
            _lines[i] = i == CascadeLine ? UnconnectedIrqLine.Instance : irqChip.GetLine(i);
    }

    /// <summary>0 to 23.</summary>
    public IIrqLine this[int gsi] => _lines[gsi];

    private sealed class Both(IIrqLine first, IIrqLine second) : IIrqLine
    {
        public void Set(bool level)
        {
            first.Set(level);
            second.Set(level);
        }
    }
}
