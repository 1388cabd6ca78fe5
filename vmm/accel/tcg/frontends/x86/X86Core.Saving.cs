using Gauntlet.Vmm.State;

namespace Gauntlet.Vmm.Accel.Tcg.Frontends.X86;

// What a snapshot keeps of a CPU: the state that all accelerators share, and what only the translator has.
public sealed unsafe partial class X86Core
{
    // XCR0 bits 0 and 1, x87 and SSE: what XSETBV could ever set here.
    private const ulong KnownXcr0 = 3;
    private const byte MaxShadow = 2;

    internal void Save(StateWriter writer)
    {
        X86StateTransfer.Save(this, out var state);
        X86StateCodec.Write(writer, state);
        var s = S;
        writer.Byte(s->InterruptShadow);
        writer.UInt16(s->Fpu.Fcs);
        writer.UInt16(s->Fpu.Fds);
        writer.UInt32(s->Pkru);
        writer.UInt64(s->Xcr0);
        for (var i = 0; i < 4; i++)
            writer.UInt64(s->Pdpte[i]);
        foreach (var mtrr in _mtrrs)
            writer.UInt64(mtrr);
        foreach (var counter in _performance)
            writer.UInt64(counter);
        writer.Int64(Header->Instructions);
    }

    /// <exception cref="StateFormatException">Not what <see cref="Save"/> wrote.</exception>
    internal void Load(ref StateReader reader)
    {
        X86StateCodec.Read(ref reader, out var state);
        X86StateTransfer.Load(this, state);
        var s = S;
        s->InterruptShadow = Math.Min(reader.Byte(), MaxShadow);
        s->Fpu.Fcs = reader.UInt16();
        s->Fpu.Fds = reader.UInt16();
        s->Pkru = reader.UInt32();
        s->Xcr0 = reader.UInt64() & KnownXcr0 | 1;
        // After the transfer, which reads them from memory: the guest may have changed them there since it loaded CR3.
        for (var i = 0; i < 4; i++)
            s->Pdpte[i] = reader.UInt64();
        foreach (ref var mtrr in _mtrrs.AsSpan())
            mtrr = reader.UInt64();
        foreach (ref var counter in _performance.AsSpan())
            counter = reader.UInt64();
        Header->Instructions = reader.Int64();
        Header->Fault = 0;
        _debugHits = 0;
    }
}
