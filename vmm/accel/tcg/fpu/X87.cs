using Gauntlet.Vmm.Accel.Tcg.Frontends.X86;

namespace Gauntlet.Vmm.Accel.Tcg.Fpu;

/// <summary>
/// The x87's instructions (opcodes D8 to DF) as functions on its state (SDM Vol. 1, chapter 8; Vol. 2, the instructions). The translator decodes addresses, moves
/// memory operands, checks CR0.EM, CR0.TS and <see cref="HasPendingException"/>, and keeps FIP, FDP and FOP; everything else is here.
/// </summary>
/// <remarks>
/// <para>Registers: <see cref="ExecuteRegister"/>. Memory: <see cref="OperandBytes"/> says how many bytes and in which direction;
/// then <see cref="Load"/> with the bytes read, or <see cref="Store"/> on a copy of the state, which becomes the state once the bytes are written.</para>
/// <para>An exception that is not masked leaves its flag and the error summary in FSW; the next waiting instruction reports it (SDM Vol. 1, 8.6).</para>
/// </remarks>
public static partial class X87
{
    private const ushort StackFault = 0x40, ErrorSummary = 0x80, C0 = 0x100, C1 = 0x200, C2 = 0x400, C3 = 0x4000, Busy = 0x8000;
    private const int TopShift = 11;
    private const ushort InitialControl = 0x37f;

    /// <summary>A waiting instruction must raise #MF first.</summary>
    public static bool HasPendingException(in X86FpuState s) => (s.Fsw & ErrorSummary) != 0;

    /// <summary>FNINIT.</summary>
    public static void Initialize(ref X86FpuState s)
    {
        s.Fcw = InitialControl;
        s.Fsw = 0;
        s.Ftw = 0;
        s.Fop = 0;
        s.Fip = s.Fdp = 0;
        s.Fcs = s.Fds = 0;
    }

    /// <summary>FNCLEX.</summary>
    public static void ClearExceptions(ref X86FpuState s) => s.Fsw &= unchecked((ushort)~(0x3f | StackFault | ErrorSummary | Busy));

    /// <summary>FLDCW; unmasking a raised exception makes it pending.</summary>
    public static void LoadControl(ref X86FpuState s, ushort value)
    {
        // Bit 6 always reads 1 and bits 7, 13-15 read 0 on processors with 64-bit mode.
        s.Fcw = (ushort)(value & 0x1f7f | 0x40);
        Summarize(ref s);
    }

    /// <summary>The full tag word of FSTENV: two bits a register, 0 valid, 1 zero, 2 special, 3 empty (SDM Vol. 1, 8.1.7).</summary>
    public static ushort FullTagWord(in X86FpuState s)
    {
        var tags = 0;
        for (var i = 0; i < 8; i++)
        {
            var value = s.R[i];
            var exponent = value.SignExponent & 0x7fff;
            var tag = (s.Ftw >> i & 1) == 0 ? 3
                : exponent == 0 && value.Significand == 0 ? 1
                : exponent is 0 or 0x7fff || (value.Significand & SoftFloat.IntegerBit) == 0 ? 2
                : 0;
            tags |= tag << (i * 2);
        }

        return (ushort)tags;
    }

    /// <summary>Keeps of a full tag word what the state keeps: which registers are empty.</summary>
    public static void SetFullTagWord(ref X86FpuState s, ushort tags)
    {
        s.Ftw = 0;
        for (var i = 0; i < 8; i++)
        {
            if ((tags >> (i * 2) & 3) != 3)
                s.Ftw |= (byte)(1 << i);
        }
    }

    private static int Top(in X86FpuState s) => s.Fsw >> TopShift & 7;

    private static void SetTop(ref X86FpuState s, int top) => s.Fsw = (ushort)(s.Fsw & ~(7 << TopShift) | (top & 7) << TopShift);

    private static bool IsEmpty(in X86FpuState s, int i) => (s.Ftw >> (Top(s) + i & 7) & 1) == 0;

    private static SoftFloat Get(in X86FpuState s, int i) => Float80.Unpack(s.R[Top(s) + i & 7]);

    private static void Set(ref X86FpuState s, int i, in SoftFloat value) => SetRaw(ref s, i, Float80.Pack(value));

    private static void SetRaw(ref X86FpuState s, int i, X87Register value)
    {
        var physical = Top(s) + i & 7;
        s.R[physical] = value;
        s.Ftw |= (byte)(1 << physical);
    }

    private static void Pop(ref X86FpuState s)
    {
        s.Ftw &= (byte)~(1 << Top(s));
        SetTop(ref s, Top(s) + 1);
    }

    /// <summary>Pushes a value; on a full stack a stack fault, and the indefinite NaN if that is masked.</summary>
    private static void PushRaw(ref X86FpuState s, X87Register value)
    {
        if (IsEmpty(s, 7))
        {
            SetCondition(ref s, C1, 0);
            SetTop(ref s, Top(s) - 1);
            SetRaw(ref s, 0, value);
        }
        else if (StackFaulted(ref s, overflow: true))
        {
            SetTop(ref s, Top(s) - 1);
            Set(ref s, 0, SoftFloat.Indefinite);
        }
    }

    private static void Push(ref X86FpuState s, in SoftFloat value) => PushRaw(ref s, Float80.Pack(value));

    /// <summary>Notes a stack fault; true when its default answer is to be given.</summary>
    private static bool StackFaulted(ref X86FpuState s, bool overflow)
    {
        s.Fsw |= StackFault | (ushort)FloatExceptions.Invalid;
        SetCondition(ref s, C1, overflow ? C1 : (ushort)0);
        Summarize(ref s);
        return (s.Fcw & (int)FloatExceptions.Invalid) != 0;
    }

    private static void SetCondition(ref X86FpuState s, ushort which, ushort values) => s.Fsw = (ushort)(s.Fsw & ~which | values);

    private static void Summarize(ref X86FpuState s)
    {
        if ((s.Fsw & ~s.Fcw & (int)FloatExceptions.All) != 0)
            s.Fsw |= ErrorSummary | Busy;
        else
            s.Fsw &= unchecked((ushort)~(ErrorSummary | Busy));
    }

    private static FloatContext Context(in X86FpuState s, bool toRegister = true) => new()
    {
        Rounding = (FloatRounding)(s.Fcw >> 10 & 3),
        Masked = (FloatExceptions)s.Fcw & FloatExceptions.All,
        BiasUnmasked = toRegister,
    };

    /// <summary>The format that arithmetic rounds to.</summary>
    private static FloatFormat Precision(in X86FpuState s) => FloatFormat.OfPrecisionControl(s.Fcw >> 8 & 3);

    /// <summary>
    /// Puts an operation's exceptions into FSW, C1 with them; false when one that is not masked keeps the result from being stored
    /// (SDM Vol. 1, 8.5: invalid, denormal and zero divide come before the result).
    /// </summary>
    private static bool Conclude(ref X86FpuState s, ref FloatContext context)
    {
        const FloatExceptions before = FloatExceptions.Invalid | FloatExceptions.Denormal | FloatExceptions.DivideByZero;
        var stored = (context.Raised & before & ~context.Masked) == 0;
        if (!stored)
        {
            context.Raised &= before;
            context.RoundedUp = false;
        }

        s.Fsw |= (ushort)context.Raised;
        SetCondition(ref s, C1, context.RoundedUp ? C1 : (ushort)0);
        Summarize(ref s);
        return stored;
    }
}
