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

    private readonly Line[] _lines = new Line[Count];

    /// <summary>Told of each change of a line, with its number and level, before the controllers are: for qtest's interception. The device lock is held.</summary>
    public Action<int, bool>? Observer { get; set; }

    /// <summary>With controllers that the machine models.</summary>
    /// <param name="pic">Null for a machine with an IOAPIC alone.</param>
    public PcInterruptLines(I8259? pic, IoApic ioApic)
    {
        for (var i = 0; i < Count; i++)
        {
            _lines[i] = new Line(this, i, i switch
            {
                CascadeLine => UnconnectedIrqLine.Instance,
                0 => Join(pic?.GetLine(0), ioApic.GetLine(TimerInput)),
                < PicInputs => Join(pic?.GetLine(i), ioApic.GetLine(i)),
                _ => ioApic.GetLine(i),
            });
        }
    }

    /// <summary>With controllers inside the accelerator.</summary>
    public PcInterruptLines(IKernelIrqChip irqChip)
    {
        for (var i = 0; i < Count; i++)
            _lines[i] = new Line(this, i, i == CascadeLine ? UnconnectedIrqLine.Instance : irqChip.GetLine(i));
    }

    /// <summary>0 to 23.</summary>
    public IIrqLine this[int gsi] => _lines[gsi];

    /// <summary>How often a line went from low to high.</summary>
    public ulong RaisedCount(int gsi) => _lines[gsi].RaisedCount;

    private static IIrqLine Join(IIrqLine? first, IIrqLine second) => first is null ? second : new Both(first, second);

    private sealed class Line(PcInterruptLines lines, int gsi, IIrqLine controllers) : IIrqLine
    {
        private bool _level;

        public ulong RaisedCount { get; private set; }

        public void Set(bool level)
        {
            if (level && !_level)
                RaisedCount++;
            _level = level;
            lines.Observer?.Invoke(gsi, level);
            controllers.Set(level);
        }
    }

    private sealed class Both(IIrqLine first, IIrqLine second) : IIrqLine
    {
        public void Set(bool level)
        {
            first.Set(level);
            second.Set(level);
        }
    }
}
