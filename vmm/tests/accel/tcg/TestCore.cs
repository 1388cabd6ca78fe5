using Gauntlet.Vmm.Accel.Tcg;
using Gauntlet.Vmm.Accel.Tcg.Ir;
using Gauntlet.Vmm.Accel.Tcg.SoftMmu;

namespace Gauntlet.Vmm.Tests.Accel.Tcg;

/// <summary>A guest made for tests: eight registers, two helpers, and memory that is all device, reads as its own address and is identically mapped.</summary>
internal sealed unsafe class TestCore : TranslatingCore
{
    public const int Registers = 8;

    private const int FirstOffset = 64, PcOffset64 = FirstOffset + 8 * Registers, LazyOffset = PcOffset64 + 8;

    public TestCore(PhysicalMap physical) : base(0, physical, new FakeIo(), 192, PcOffset64, LazyOffset, 2)
    {
        Helpers[0] = &Sum;
        Helpers[1] = &Touch;
    }

    public static IrGuest Guest { get; } = new(
        [.. Enumerable.Range(0, Registers).Select(i => new IrGlobal($"r{i}", FirstOffset + 8 * i)), new IrGlobal("pc", PcOffset64), new IrGlobal("lazy", LazyOffset)],
        [new IrHelper("sum", IrEffects.Pure), new IrHelper("touch", IrEffects.ReadsGlobals | IrEffects.WritesGlobals)], Registers, Registers + 1);

    /// <summary>The registers, then pc and lazy.</summary>
    public Span<ulong> Globals => new(Base + FirstOffset, Registers + 2);

    public FakeIo Devices => (FakeIo)Io;

    public void SetRegister(int index, ulong value) => Globals[index] = value;

    protected override bool TryTranslate(ulong linear, MemoryAccess access, int attributes, out PageTranslation translation)
    {
        translation = new PageTranslation(linear & ~0xffful, true, true, true);
        return true;
    }

    protected override bool BeforeSlowAccess(ulong linear, int size, MemoryAccess access, int attributes) => true;

    private static ulong Sum(TcgCore core, ulong a, ulong b, ulong c, int imm) => a + b + c + (ulong)imm;

    private static ulong Touch(TcgCore core, ulong a, ulong b, ulong c, int imm)
    {
        ((TestCore)core).Globals[imm & 7] += a;
        return a;
    }
}
