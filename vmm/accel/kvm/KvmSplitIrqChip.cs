using Gauntlet.Vmm.Bus;
using Gauntlet.Vmm.State;
using Microsoft.Win32.SafeHandles;

namespace Gauntlet.Vmm.Accel.Kvm;

/// <summary>The local APICs inside KVM, and nothing else (Documentation/virt/kvm/api.rst, KVM_CAP_SPLIT_IRQCHIP).</summary>
/// <remarks>
/// KVM tells of the end of an interrupt (KVM_EXIT_IOAPIC_EOI) when its vector is in one of the first routes, which stand for the IOAPIC's inputs, as a message with
/// the trigger bit. So those of level-triggered inputs are kept there, masked or not: an interrupt may be masked while it is in service. Nothing is sent by them.
/// </remarks>
internal sealed unsafe class KvmSplitIrqChip : KvmIrqChip, ISplitIrqChip
{
    private const uint InputCount = 24, LevelTriggered = 1 << 15;

    private readonly KvmGsiRouting _routing;
    private readonly (ulong Address, uint Data)[] _inputs = new (ulong, uint)[InputCount];

    /// <exception cref="AcceleratorException">KVM refuses.</exception>
    public KvmSplitIrqChip(SafeFileHandle vm, KvmGsiRouting routing)
        : base(vm)
    {
        _routing = routing;
        var enable = new KvmEnableCap { Cap = (uint)KvmCap.SplitIrqChip };
        enable.Arguments[0] = InputCount;
        Call(KvmRequest.EnableCap, &enable, "have the local APICs alone inside (KVM_CAP_SPLIT_IRQCHIP)");
    }

    public override ISplitIrqChip? Split => this;

    public override bool HasPit => false;

    public override int StateVersion => 1;

    public Action<byte>? EndOfInterrupt { get; set; }

    public override IIrqLine GetLine(int gsi) => throw new InvalidOperationException("with a split irqchip the lines are the machine's");

    public void SetInput(int input, ulong address, uint data)
    {
        var message = (data & LevelTriggered) != 0 ? (address, data) : default;
        if (_inputs[input] == message)
            return;
        if (message == default ? _routing.TryClear((uint)input) : _routing.TrySetMessage((uint)input, address, data))
            _inputs[input] = message;
        else
            LastRefusal = $"route of IOAPIC input {input}, message 0x{data:x} to 0x{address:x}: {KvmSystem.ErrorText()}";
    }

    /// <remarks>The IOAPIC's own reset takes the routes back.</remarks>
    public override void Reset() { }

    public override void Save(StateWriter writer) => SaveClock(writer);

    public override void Load(ref StateReader reader) => LoadClock(ref reader);
}
