using System.Runtime.InteropServices;
using Gauntlet.Vmm.Accel.Tcg.Ir;

namespace Gauntlet.Vmm.Accel.Tcg.Backends.Verify;

/// <summary>What a block did to the world outside its registers.</summary>
internal enum LoggedKind
{
    Load,
    Store,
    Call,
}

/// <summary>One access or call, with all that its caller could see of it.</summary>
internal struct LoggedEvent
{
    public LoggedKind Kind;

    /// <summary>Address and value of an access; arguments of a call, of which those in <see cref="Arguments"/> are meant.</summary>
    public ulong A, B, C;

    /// <summary>Bits 0 to 2: A, B, C were passed.</summary>
    public int Arguments;

    /// <summary>Size in bytes and attributes of an access; a call's constant.</summary>
    public int Imm;

    /// <summary>Size in bytes of an access; a helper's number.</summary>
    public int Number;
    public ulong Result;

    /// <summary><see cref="CoreHeader.Fault"/> after it.</summary>
    public int Fault;
}

/// <summary>
/// Does a block's accesses and calls for real and keeps them in order, each with the CPU state before and after, so that the same block can be
/// executed again without doing them twice.
/// </summary>
/// <param name="stateSize">Of the CPU state, in bytes.</param>
internal sealed unsafe class ExecutionLog(int stateSize) : IDisposable
{
    private LoggedEvent[] _events = new LoggedEvent[64];
    private byte* _states = (byte*)NativeMemory.Alloc(64, (nuint)(2 * stateSize));

    public int Count { get; private set; }

    public ref readonly LoggedEvent this[int index] => ref _events[index];

    public void Clear() => Count = 0;

    /// <summary>The CPU state when the event began and when it had ended.</summary>
    public byte* Before(int index) => _states + (long)index * 2 * stateSize;

    public byte* After(int index) => Before(index) + stateSize;

    public bool Load(TcgCore core, ulong linear, int size, int attributes, ulong* result)
    {
        var index = Begin(core, new LoggedEvent { Kind = LoggedKind.Load, A = linear, Imm = attributes, Number = size });
        var done = core.Load(linear, size, attributes, result);
        End(core, index, done ? *result : 0);
        return done;
    }

    public bool Store(TcgCore core, ulong linear, int size, int attributes, ulong value)
    {
        var index = Begin(core, new LoggedEvent { Kind = LoggedKind.Store, A = linear, B = value & IrTypes.OfBytes(size).Mask(), Imm = attributes, Number = size });
        var done = core.Store(linear, size, attributes, value);
        End(core, index, 0);
        return done;
    }

    /// <param name="arguments">As <see cref="LoggedEvent.Arguments"/>.</param>
    public ulong Call(TranslatingCore core, int helper, ulong a, ulong b, ulong c, int arguments, int imm)
    {
        var index = Begin(core, new LoggedEvent { Kind = LoggedKind.Call, A = a, B = b, C = c, Arguments = arguments, Imm = imm, Number = helper });
        var result = core.Helpers[helper](core, a, b, c, imm);
        End(core, index, result);
        return result;
    }

    public void Dispose()
    {
        NativeMemory.Free(_states);
        _states = null;
    }

    private int Begin(TcgCore core, in LoggedEvent begun)
    {
        if (Count == _events.Length)
        {
            Array.Resize(ref _events, Count * 2);
            _states = (byte*)NativeMemory.Realloc(_states, (nuint)(Count * 2) * (nuint)(2 * stateSize));
        }
        _events[Count] = begun;
        NativeMemory.Copy(core.Base, Before(Count), (nuint)stateSize);
        return Count++;
    }

    private void End(TcgCore core, int index, ulong result)
    {
        _events[index].Result = result;
        _events[index].Fault = core.Header->Fault;
        NativeMemory.Copy(core.Base, After(index), (nuint)stateSize);
    }
}
