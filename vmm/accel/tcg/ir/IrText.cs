using System.Globalization;
using System.Text;

namespace Gauntlet.Vmm.Accel.Tcg.Ir;

/// <summary>Text that is not IR: which line, what was found, what was expected.</summary>
public sealed class IrFormatException(string message) : Exception(message);

/// <summary>
/// The IR's text form, one operation a line:
/// <code>
/// insn 0x7c00, state=0
/// lea.i64 t0, rbx, rcx, shift=3, 0x10
/// ld.i32 rax, [t0+0x8], mmu=2
/// setcond.i64 t1, rax, $0x5, ltu
/// call t2, In(rdx), 0x4
/// exitif.i64 rax, $0x0, eq, slot=0, 0x7c10, state=15
/// goto slot=1, 0x7c08
/// </code>
/// </summary>
public static class IrText
{
    private static readonly string[] s_conditions = ["eq", "ne", "ltu", "geu", "lts", "ges", "leu", "gtu", "les", "gts"];

    private static readonly (IrOpcode Opcode, string Name)[] s_names =
    [
        (IrOpcode.Insn, "insn"), (IrOpcode.Mov, "mov"), (IrOpcode.Add, "add"), (IrOpcode.Sub, "sub"), (IrOpcode.Mul, "mul"),
        (IrOpcode.MulHighS, "mulhs"), (IrOpcode.MulHighU, "mulhu"), (IrOpcode.And, "and"), (IrOpcode.Or, "or"), (IrOpcode.Xor, "xor"),
        (IrOpcode.Shl, "shl"), (IrOpcode.Shr, "shr"), (IrOpcode.Sar, "sar"), (IrOpcode.Rol, "rol"), (IrOpcode.Ror, "ror"),
        (IrOpcode.Not, "not"), (IrOpcode.Neg, "neg"), (IrOpcode.SignExtend, "sext"), (IrOpcode.Extract, "extract"),
        (IrOpcode.Deposit, "deposit"), (IrOpcode.Lea, "lea"), (IrOpcode.ByteSwap, "bswap"), (IrOpcode.PopCount, "popcnt"),
        (IrOpcode.CountLeadingZeros, "clz"), (IrOpcode.CountTrailingZeros, "ctz"), (IrOpcode.SetCond, "setcond"),
        (IrOpcode.Select, "select"), (IrOpcode.Load, "ld"), (IrOpcode.LoadSigned, "lds"), (IrOpcode.Store, "st"), (IrOpcode.Call, "call"),
        (IrOpcode.ExitIf, "exitif"), (IrOpcode.Goto, "goto"), (IrOpcode.GotoPc, "gotopc"), (IrOpcode.Leave, "leave"),
    ];

    /// <summary>The whole block, a line for each operation.</summary>
    public static string Print(IrBlock block, IrGuest guest)
    {
        var text = new StringBuilder();
        foreach (ref readonly var op in block.Ops)
            Print(text, op, block, guest);
        return text.ToString();
    }

    private static void Print(StringBuilder text, in IrOp op, IrBlock block, IrGuest guest)
    {
        var info = IrOpcodes.Info(op.Opcode);
        text.Append(s_names[(int)op.Opcode].Name);
        if ((info & (IrOperands.Dst | IrOperands.A)) != 0 && op.Opcode != IrOpcode.Call)
            text.Append(".i").Append(op.Type.Bits());
        var separator = " ";
        if (op.Opcode == IrOpcode.Call)
        {
            if (!op.Dst.IsNone)
                Next(text, ref separator).Append(Name(op.Dst, block, guest));
            Next(text, ref separator).Append(guest.Helpers[op.Helper].Name).Append('(');
            var argument = "";
            foreach (var value in (ReadOnlySpan<IrValue>)[op.A, op.B, op.C])
                if (!value.IsNone)
                    Next(text, ref argument).Append(Name(value, block, guest));
            text.Append(')');
        }
        else
        {
            if ((info & IrOperands.Dst) != 0)
                Next(text, ref separator).Append(Name(op.Dst, block, guest));
            if (IsMemory(op.Opcode))
                Next(text, ref separator).Append('[').Append(Name(op.A, block, guest)).Append("+0x").Append(op.Imm.ToString("x", CultureInfo.InvariantCulture)).Append(']');
            else if ((info & IrOperands.A) != 0)
                Next(text, ref separator).Append(Name(op.A, block, guest));
            if ((info & IrOperands.B) != 0 && !op.B.IsNone)
                Next(text, ref separator).Append(Name(op.B, block, guest));
            if ((info & IrOperands.C) != 0)
                Next(text, ref separator).Append(Name(op.C, block, guest));
            if ((info & IrOperands.Cond) != 0)
                Next(text, ref separator).Append(s_conditions[(int)op.Cond]);
        }
        if (AttrName(op.Opcode) is { } attr)
            Next(text, ref separator).Append(attr).Append('=').Append(op.Attr);
        if ((info & IrOperands.Imm) != 0 && !IsMemory(op.Opcode))
            Next(text, ref separator).Append("0x").Append(op.Imm.ToString("x", CultureInfo.InvariantCulture));
        if ((info & IrOperands.State) != 0 && op.State != IrOp.NoState)
            Next(text, ref separator).Append("state=").Append(op.State);
        text.Append('\n');
    }

    /// <summary>Reads what <see cref="Print(IrBlock, IrGuest)"/> wrote, over <paramref name="block"/>.</summary>
    /// <exception cref="IrFormatException">Anything else.</exception>
    public static void Parse(string text, IrGuest guest, IrBlock block)
    {
        block.Clear();
        var number = 0;
        foreach (var raw in text.Split('\n'))
        {
            number++;
            var line = raw.Trim();
            if (line.Length == 0 || line[0] == '#')
                continue;
            if (block.Count == IrBlock.MaxOps)
                throw new IrFormatException($"IR line {number}: a block has at most {IrBlock.MaxOps} operations");
            block.Add(new LineParser(line, number, guest, block).Parse());
        }
    }

    private static bool IsMemory(IrOpcode opcode) => opcode is IrOpcode.Load or IrOpcode.LoadSigned or IrOpcode.Store;

    private static string? AttrName(IrOpcode opcode) => opcode switch
    {
        IrOpcode.Lea => "shift",
        IrOpcode.Load or IrOpcode.LoadSigned or IrOpcode.Store => "mmu",
        IrOpcode.ExitIf or IrOpcode.Goto => "slot",
        _ => null,
    };

    private static StringBuilder Next(StringBuilder text, ref string separator)
    {
        text.Append(separator);
        separator = ", ";
        return text;
    }

    private static string Name(IrValue value, IrBlock block, IrGuest guest) =>
        value.IsConstant ? "$0x" + block.ValueOf(value).ToString("x", CultureInfo.InvariantCulture)
        : value.IsTemp ? "t" + value.Index.ToString(CultureInfo.InvariantCulture)
        : value.IsGlobal ? guest.Globals[value.Index].Name
        : "-";

    /// <summary>One line, cut at commas.</summary>
    private sealed class LineParser(string line, int number, IrGuest guest, IrBlock block)
    {
        private string[] _fields = [];
        private int _next;

        public IrOp Parse()
        {
            var space = line.IndexOf(' ');
            var head = space < 0 ? line : line[..space];
            var rest = space < 0 ? "" : line[(space + 1)..];
            var op = new IrOp { State = IrOp.NoState };
            var dot = head.IndexOf('.');
            op.Opcode = OpcodeOf(dot < 0 ? head : head[..dot]);
            var info = IrOpcodes.Info(op.Opcode);
            var typed = (info & (IrOperands.Dst | IrOperands.A)) != 0 && op.Opcode != IrOpcode.Call;
            if (typed != dot >= 0)
                throw Error(typed ? $"'{head}' lacks its type (.i8 to .i64)" : $"'{head}' takes no type");
            if (typed)
                op.Type = TypeOf(head[(dot + 1)..]);
            if (op.Opcode == IrOpcode.Call)
                rest = ParseCall(rest, ref op);
            _fields = rest.Length == 0 ? [] : rest.Split(',', StringSplitOptions.TrimEntries);
            if (op.Opcode != IrOpcode.Call)
            {
                if ((info & IrOperands.Dst) != 0)
                    op.Dst = ValueOf(Take("a destination"));
                if (IsMemory(op.Opcode))
                    ParseAddress(Take("an address"), ref op);
                else if ((info & IrOperands.A) != 0)
                    op.A = ValueOf(Take("an operand"));
                if ((info & IrOperands.B) != 0 && ((info & IrOperands.BOptional) == 0 || !Peek().StartsWith(AttrName(op.Opcode)! + "=", StringComparison.Ordinal)))
                    op.B = ValueOf(Take("an operand"));
                if ((info & IrOperands.C) != 0)
                    op.C = ValueOf(Take("an operand"));
                if ((info & IrOperands.Cond) != 0)
                    op.Cond = ConditionOf(Take("a condition"));
            }
            if (AttrName(op.Opcode) is { } attr)
                op.Attr = byte.TryParse(Named(attr), NumberStyles.None, CultureInfo.InvariantCulture, out var value) ? value : throw Error($"{attr}= takes 0 to 255");
            if ((info & IrOperands.Imm) != 0 && !IsMemory(op.Opcode))
                op.Imm = (long)Hex(Take("a number"));
            if ((info & IrOperands.State) != 0 && _next < _fields.Length)
                op.State = short.TryParse(Named("state"), NumberStyles.None, CultureInfo.InvariantCulture, out var state) ? state : throw Error("state= takes a number from 0 to 32767");
            if (_next != _fields.Length)
                throw Error($"'{_fields[_next]}' is left over");
            return op;
        }

        private string ParseCall(string rest, ref IrOp op)
        {
            int open = rest.IndexOf('('), close = rest.IndexOf(')');
            if (open < 0 || close < open)
                throw Error("a call is written 'call [destination,] helper(arguments), 0xN'");
            var target = rest[..open].Split(',', StringSplitOptions.TrimEntries);
            if (target.Length == 2)
                op.Dst = ValueOf(target[0]);
            op.Helper = HelperOf(target[^1]);
            var arguments = rest[(open + 1)..close].Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries);
            if (arguments.Length > 3 || target.Length > 2)
                throw Error("a call has one destination and at most three arguments");
            op.A = arguments.Length > 0 ? ValueOf(arguments[0]) : default;
            op.B = arguments.Length > 1 ? ValueOf(arguments[1]) : default;
            op.C = arguments.Length > 2 ? ValueOf(arguments[2]) : default;
            return rest[(close + 1)..].TrimStart(',', ' ');
        }

        private void ParseAddress(string field, ref IrOp op)
        {
            var plus = field.IndexOf('+');
            if (field.Length < 2 || field[0] != '[' || field[^1] != ']' || plus < 0)
                throw Error($"'{field}' where an address '[value+0xN]' was expected");
            op.A = ValueOf(field[1..plus]);
            op.Imm = (long)Hex(field[(plus + 1)..^1]);
        }

        private string Peek() => _next < _fields.Length ? _fields[_next] : "";

        private string Take(string what) => _next < _fields.Length ? _fields[_next++] : throw Error($"the line ends where {what} was expected");

        private string Named(string name)
        {
            var field = Take(name + "=");
            return field.StartsWith(name + "=", StringComparison.Ordinal) ? field[(name.Length + 1)..] : throw Error($"'{field}' where {name}= was expected");
        }

        private IrOpcode OpcodeOf(string name)
        {
            foreach (var (opcode, text) in s_names)
                if (text == name)
                    return opcode;
            throw Error($"no operation is named '{name}'");
        }

        private IrType TypeOf(string name) => name switch
        {
            "i8" => IrType.I8,
            "i16" => IrType.I16,
            "i32" => IrType.I32,
            "i64" => IrType.I64,
            _ => throw Error($"no type is named '{name}'; there are i8, i16, i32, i64"),
        };

        private IrCondition ConditionOf(string name) =>
            Array.IndexOf(s_conditions, name) is >= 0 and var index ? (IrCondition)index : throw Error($"no condition is named '{name}'");

        private ushort HelperOf(string name)
        {
            for (var i = 0; i < guest.Helpers.Length; i++)
                if (guest.Helpers[i].Name == name)
                    return (ushort)i;
            throw Error($"no helper is named '{name}'");
        }

        private IrValue ValueOf(string name)
        {
            if (name.StartsWith('$'))
            {
                var value = Hex(name[1..]);
                return block.ConstantCount < IrBlock.MaxConstants ? block.Constant(value) : throw Error($"a block has at most {IrBlock.MaxConstants} constants");
            }
            if (name.Length > 1 && name[0] == 't' && char.IsAsciiDigit(name[1]))
            {
                if (!int.TryParse(name.AsSpan(1), NumberStyles.None, CultureInfo.InvariantCulture, out var index) || index >= IrBlock.MaxTemps)
                    throw Error($"'{name}': temporaries are t0 to t{IrBlock.MaxTemps - 1}");
                while (block.TempCount <= index)
                    block.NewTemp();
                return IrValue.Temp(index);
            }
            for (var i = 0; i < guest.Globals.Length; i++)
                if (guest.Globals[i].Name == name)
                    return IrValue.Global(i);
            throw Error($"'{name}' is no global, temporary (tN) or constant ($0xN)");
        }

        private ulong Hex(string text) =>
            text.StartsWith("0x", StringComparison.Ordinal) && ulong.TryParse(text.AsSpan(2), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out var value)
                ? value : throw Error($"'{text}' where a number 0xN of at most 64 bits was expected");

        private IrFormatException Error(string what) => new($"IR line {number}: {what}: {line}");
    }
}
