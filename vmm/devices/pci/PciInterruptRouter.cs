using Gauntlet.Vmm.Bus;

namespace Gauntlet.Vmm.Devices.Pci;

/// <summary>
/// The ISA bridge's interrupt router: INTA# to INTD# of all slots share four PIRQ lines, each led to an interrupt by a register of the bridge.
/// </summary>
/// <remarks>
/// Intel 82371SB (PIIX3) data sheet, 2.2.10 (PIRQRC, 0x60 to 0x63): bit 7 set, not routed, else bits 0 to 3 name the interrupt. Pins rotate over the lines from
/// slot to slot, as a board's wiring does (PCI Local Bus Specification 3.0, 2.2.6). A line is high while any of its pins is.
/// </remarks>
public sealed class PciInterruptRouter : IPciConfigHook
{
    public const int LineCount = 4;

    private const int RouteOffset = 0x60;
    private const byte NotRouted = 0x80, RouteWritable = 0x8f;

    // What firmware writes: as SeaBIOS does on this chip set.
    private static readonly byte[] s_firmwareRoutes = [10, 10, 11, 11];

    // What cannot carry a PIRQ: timer, keyboard, cascade, RTC, coprocessor (2.2.10, "reserved").
    private const ushort Reserved = 1 << 0 | 1 << 1 | 1 << 2 | 1 << 8 | 1 << 13;

    private readonly PciFunction _bridge;
    private readonly Func<int, IIrqLine> _lineOf;
    private readonly int[] _asserted = new int[LineCount];
    private ushort _driven;

    /// <param name="bridge">The function whose registers route; this becomes its hook.</param>
    /// <param name="lineOf">Interrupts 0 to 15.</param>
    public PciInterruptRouter(PciFunction bridge, Func<int, IIrqLine> lineOf)
    {
        (_bridge, _lineOf) = (bridge, lineOf);
        for (var i = 0; i < LineCount; i++)
            bridge.SetRegister(RouteOffset + i, s_firmwareRoutes[i], RouteWritable);
        bridge.SetHook(this);
    }

    /// <summary>The interrupts that firmware routes to, for the ELCR: level triggered.</summary>
    public static ReadOnlySpan<byte> FirmwareRoutes => s_firmwareRoutes;

    /// <summary>Which line a slot's pin is wired to: 0 for PIRQA#.</summary>
    /// <param name="pin">1 for INTA# to 4.</param>
    public static int LineOf(int slot, int pin) => (slot - 1 + pin - 1) & (LineCount - 1);

    /// <summary>Wires a function's pin.</summary>
    public void Connect(PciFunction function, int slot, byte pin)
    {
        var line = LineOf(slot, pin);
        function.ConnectInterrupt(pin, new Pin(this, line), s_firmwareRoutes[line]);
    }

    public bool TryReadConfig(int offset, int size, out uint value)
    {
        value = 0;
        return false;
    }

    public void OnConfigWritten(int offset, int size, uint value) => Drive();

    // An interrupt that no line leads to any more falls.
    private void Drive()
    {
        ushort levels = 0, routed = 0;
        for (var i = 0; i < LineCount; i++)
        {
            var route = (byte)_bridge.Read(RouteOffset + i, 1);
            var irq = route & 15;
            if ((route & NotRouted) != 0 || (Reserved >> irq & 1) != 0)
                continue;
            routed |= (ushort)(1 << irq);
            if (_asserted[i] > 0)
                levels |= (ushort)(1 << irq);
        }
        for (var irq = 0; irq < 16; irq++)
        {
            if (((routed | _driven) >> irq & 1) != 0)
                _lineOf(irq).Set((levels >> irq & 1) != 0);
        }
        _driven = levels;
    }

    private sealed class Pin(PciInterruptRouter router, int line) : IIrqLine
    {
        private bool _level;

        public void Set(bool level)
        {
            if (_level == level)
                return;
            _level = level;
            router._asserted[line] += level ? 1 : -1;
            router.Drive();
        }
    }
}
