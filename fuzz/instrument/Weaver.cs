using Mono.Cecil;
using Mono.Cecil.Cil;
using Mono.Cecil.Rocks;

namespace Gauntlet.Fuzz.Instrument;

/// <summary>Source lines that belong to an edge.</summary>
/// <param name="First">From 1.</param>
/// <param name="Last">Included.</param>
public readonly record struct SourceBlock(int Edge, string Path, int First, int Last);

/// <summary>
/// Weaves counters into a copy of an assembly: one at the head of every basic block, with dense ids, and a note of the operands where a value is compared
/// with a constant.
/// </summary>
public sealed class Weaver
{
    private const int LongestWord = 24;

    private readonly System.Reflection.FieldInfo _map = typeof(CoverageRuntime).GetField(nameof(CoverageRuntime.Map))!;
    private readonly System.Reflection.MethodInfo _compare32 = typeof(CoverageRuntime).GetMethod(nameof(CoverageRuntime.CompareInt32))!;
    private readonly System.Reflection.MethodInfo _compare64 = typeof(CoverageRuntime).GetMethod(nameof(CoverageRuntime.CompareInt64))!;

    /// <summary>So far, over all assemblies.</summary>
    public int Edges { get; private set; }

    /// <summary>Where the source of each edge's block is, as far as symbols tell.</summary>
    public List<SourceBlock> Sources { get; } = [];

    /// <summary>Short text that the woven code has: words that its input may have to have.</summary>
    public SortedSet<string> Words { get; } = new(StringComparer.Ordinal);

    /// <param name="under">Full names of types, or beginnings of them: what does not begin so is copied as it is. Empty for all.</param>
    /// <exception cref="BadImageFormatException">Not a .NET assembly.</exception>
    public void Weave(string source, string destination, IReadOnlyCollection<string> under)
    {
        using var resolver = new DefaultAssemblyResolver();
        resolver.AddSearchDirectory(Path.GetDirectoryName(source));
        using var module = ModuleDefinition.ReadModule(source, new ReaderParameters
        {
            AssemblyResolver = resolver,
            ReadSymbols = File.Exists(Path.ChangeExtension(source, "pdb")),
            SymbolReaderProvider = new DefaultSymbolReaderProvider(throwIfNoSymbol: false),
        });
        var map = module.ImportReference(_map);
        var (compare32, compare64) = (module.ImportReference(_compare32), module.ImportReference(_compare64));
        foreach (var method in module.GetTypes().Where(type => IsUnder(type, under)).SelectMany(type => type.Methods).Where(method => method.HasBody))
        {
            var body = method.Body;
            body.SimplifyMacros();
            var leaders = Leaders(body);
            NoteSources(method, leaders);
            // Which would be moved along with every instruction that is inserted, and is not written.
            method.DebugInformation.Scope = null;
            foreach (var instruction in body.Instructions)
            {
                if (instruction is { OpCode.Code: Code.Ldstr, Operand: string { Length: >= 2 and <= LongestWord } word } && !word.AsSpan().ContainsAnyExceptInRange(' ', '~'))
                    Words.Add(word);
            }
            WeaveComparisons(body, compare32, compare64);
            foreach (var leader in leaders)
                InsertBefore(body, leader, Counter(map));
            body.OptimizeMacros();
        }
        // Precompiled code would run in place of what was woven.
        module.Attributes = ModuleAttributes.ILOnly;
        module.Architecture = TargetArchitecture.I386;
        module.Write(destination);
    }

    // Before anything is inserted: symbols go by offset.
    private void NoteSources(MethodDefinition method, List<Instruction> leaders)
    {
        foreach (var point in method.DebugInformation.SequencePoints)
        {
            if (point.IsHidden)
                continue;
            var block = leaders.FindLastIndex(leader => leader.Offset <= point.Offset);
            Sources.Add(new SourceBlock(Edges + Math.Max(block, 0), point.Document.Url, point.StartLine, point.EndLine));
        }
    }

    private static bool IsUnder(TypeDefinition type, IReadOnlyCollection<string> under)
    {
        while (type.DeclaringType is { } outer)
            type = outer;
        return under.Count == 0 || under.Any(start => type.FullName.StartsWith(start, StringComparison.Ordinal));
    }

    private Instruction[] Counter(FieldReference map) =>
    [
        Instruction.Create(OpCodes.Ldsfld, map),
        Instruction.Create(OpCodes.Ldc_I4, Edges++),
        Instruction.Create(OpCodes.Add),
        Instruction.Create(OpCodes.Dup),
        Instruction.Create(OpCodes.Ldind_U1),
        Instruction.Create(OpCodes.Ldc_I4_1),
        Instruction.Create(OpCodes.Add),
        Instruction.Create(OpCodes.Conv_U1),
        Instruction.Create(OpCodes.Stind_I1),
    ];

    private static List<Instruction> Leaders(MethodBody body)
    {
        var leaders = new HashSet<Instruction> { body.Instructions[0] };
        foreach (var instruction in body.Instructions)
        {
            if (instruction.Operand is Instruction target)
                leaders.Add(target);
            else if (instruction.Operand is Instruction[] targets)
                leaders.UnionWith(targets);
            if (instruction.OpCode.FlowControl == FlowControl.Cond_Branch && instruction.Next is { } next)
                leaders.Add(next);
        }
        foreach (var handler in body.ExceptionHandlers)
            leaders.Add(handler.HandlerStart);
        // In the order of the code, so that ids are the same every time.
        return [.. body.Instructions.Where(leaders.Contains)];
    }

    private static void WeaveComparisons(MethodBody body, MethodReference compare32, MethodReference compare64)
    {
        foreach (var load in body.Instructions.ToArray())
        {
            if (load.OpCode == OpCodes.Ldc_I8 && IsComparison(load.Next))
            {
                InsertBefore(body, load, [Instruction.Create(OpCodes.Dup), Instruction.Create(OpCodes.Ldc_I8, (long)load.Operand), Instruction.Create(OpCodes.Call, compare64)]);
            }
            else if (load.OpCode == OpCodes.Ldc_I4 && IsComparison(load.Next))
            {
                InsertBefore(body, load, [Instruction.Create(OpCodes.Dup), Instruction.Create(OpCodes.Ldc_I4, (int)load.Operand), Instruction.Create(OpCodes.Call, compare32)]);
            }
            else if (load.OpCode == OpCodes.Ldc_I4 && load.Next is { } widen && (widen.OpCode == OpCodes.Conv_I8 || widen.OpCode == OpCodes.Conv_U8) && IsComparison(widen.Next))
            {
                InsertBefore(body, load,
                    [Instruction.Create(OpCodes.Dup), Instruction.Create(OpCodes.Ldc_I8, (long)(int)load.Operand), Instruction.Create(OpCodes.Call, compare64)]);
            }
        }
    }

    private static bool IsComparison(Instruction? instruction) => instruction?.OpCode.Code
        is Code.Beq or Code.Bne_Un or Code.Blt or Code.Blt_Un or Code.Ble or Code.Ble_Un or Code.Bgt or Code.Bgt_Un or Code.Bge or Code.Bge_Un
        or Code.Ceq or Code.Cgt or Code.Cgt_Un or Code.Clt or Code.Clt_Un;

    // The instruction's object becomes the first of the inserted ones, so that branches and handlers that name it run them.
    private static void InsertBefore(MethodBody body, Instruction at, Instruction[] inserted)
    {
        var moved = Instruction.Create(OpCodes.Nop);
        (moved.OpCode, moved.Operand) = (at.OpCode, at.Operand);
        (at.OpCode, at.Operand) = (inserted[0].OpCode, inserted[0].Operand);
        var index = body.Instructions.IndexOf(at) + 1;
        foreach (var instruction in inserted.Skip(1).Append(moved))
            body.Instructions.Insert(index++, instruction);
    }
}
