using Gauntlet.Vmm.Bus;

namespace Gauntlet.Vmm.Devices.Pci;

/// <summary>
/// The ISA bridge's interrupt router: INTA# to INTD# of all slots share a few PIRQ lines, each led to an interrupt by a register of the bridge.
/// </summary>
/// <remarks>
/// Intel 82371SB (PIIX3) data sheet, 2.2.10 (PIRQRC, 0x60 to 0x63): bit 7 set, not routed, else bits 0 to 3 name the interrupt. Intel ICH9 data sheet,
/// 13.1.12 and 13.1.14 (0x60 to 0x63, 0x68 to 0x6b), 5.9.6: its eight lines also have inputs 16 to 23 of the IOAPIC to themselves. Pins rotate over the
/// lines from slot to slot, as a board's wiring does (PCI Local Bus Specification 3.0, 2.2.6). A line is high while any of its pins is.
/// </remarks>
public sealed class PciInterruptRouter : IPciConfigHook
{
    private const int RouteOffset = 0x60, UpperRouteOffset = 0x68, RoutesTogether = 4, FirstApicInput = 16;
    private const byte NotRouted = 0x80, RouteWritable = 0x8f;

    // What firmware writes: as SeaBIOS does on this chip set.
    private static readonly byte[] s_firmwareRoutes = [10, 10, 11, 11];

    // What cannot carry a PIRQ: timer, keyboard, cascade, RTC, coprocessor (2.2.10, "reserved").
    private const ushort Reserved = 1 << 0 | 1 << 1 | 1 << 2 | 1 << 8 | 1 << 13;

    private readonly PciFunction _bridge;
    private readonly Func<int, IIrqLine> _lineOf;
    private readonly Func<int, int, int> _pirqOf;
    private readonly bool _hasApicInputs, _isRouted;
    private readonly int[] _asserted;
    private ushort _driven;

    /// <param name="bridge">The function whose registers route; this becomes its hook.</param>
    /// <param name="lineOf">Global system interrupts: 0 to 15, and 16 to 23 with inputs of the lines' own.</param>
    /// <param name="pirqOf">Which line the pin (1 for INTA#) of a slot is wired to: 0 for PIRQA#.</param>
    /// <param name="lines">4, or 8 with IOAPIC inputs of their own.</param>
    /// <param name="isRouted">Registers start as firmware leaves them; else as after power-on.</param>
    public PciInterruptRouter(PciFunction bridge, Func<int, IIrqLine> lineOf, Func<int, int, int> pirqOf, int lines = RoutesTogether, bool isRouted = true)
    {
        (_bridge, _lineOf, _pirqOf, _isRouted) = (bridge, lineOf, pirqOf, isRouted);
        _asserted = new int[lines];
        _hasApicInputs = lines > RoutesTogether;
        for (var i = 0; i < lines; i++)
            bridge.SetRegister(RegisterOf(i), isRouted ? FirmwareRoute(i) : NotRouted, RouteWritable);
        bridge.SetHook(this);
    }

    /// <summary>The interrupts that firmware routes to, for the ELCR: level triggered.</summary>
    public static ReadOnlySpan<byte> FirmwareRoutes => s_firmwareRoutes;

    /// <summary>The interrupt that firmware leads a line to.</summary>
    public static byte FirmwareRoute(int pirq) => s_firmwareRoutes[pirq % RoutesTogether];

    /// <summary>The interrupt that a slot's pin comes by, as firmware leads it.</summary>
    /// <param name="pin">1 for INTA# to 4.</param>
    public int InterruptOf(int slot, int pin) => FirmwareRoute(_pirqOf(slot, pin));

    /// <summary>The input of the IOAPIC that a slot's pin has, for a guest that uses it.</summary>
    /// <param name="pin">1 for INTA# to 4.</param>
    public int ApicInputOf(int slot, int pin) => _hasApicInputs ? FirstApicInput + _pirqOf(slot, pin) : InterruptOf(slot, pin);

    /// <summary>Wires a function's pin.</summary>
    public void Connect(PciFunction function, int slot, byte pin)
    {
        var line = _pirqOf(slot, pin);
        function.ConnectInterrupt(pin, new Pin(this, line), _isRouted ? FirmwareRoute(line) : (byte)0);
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
        for (var i = 0; i < _asserted.Length; i++)
        {
            var route = (byte)_bridge.Read(RegisterOf(i), 1);
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

    private static int RegisterOf(int pirq) => pirq < RoutesTogether ? RouteOffset + pirq : UpperRouteOffset + pirq - RoutesTogether;

    private sealed class Pin(PciInterruptRouter router, int line) : IIrqLine
    {
        private bool _level;

        public void Set(bool level)
        {
            if (_level == level)
                return;
            _level = level;
            router._asserted[line] += level ? 1 : -1;
            if (router._hasApicInputs)
                router._lineOf(FirstApicInput + line).Set(router._asserted[line] > 0);
            router.Drive();
        }
    }
}
