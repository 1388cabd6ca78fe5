using System.Reflection;
using System.Runtime.CompilerServices;
using Gauntlet.Vmm.Machines;

namespace Gauntlet.Vmm.Tests;

/// <summary>Many machines run in one process, in a fuzzer thousands one after the other: nothing may pass between them.</summary>
public sealed class StaticStateTests
{
    private static readonly Type[] _immutable =
    [
        typeof(string), typeof(DateTime), typeof(TimeSpan), typeof(Version), typeof(Guid), typeof(Type),
    ];

    public static TheoryData<string> Assemblies => [typeof(Machine).Assembly.GetName().Name!, typeof(Program.ExitStatus).Assembly.GetName().Name!];

    [Theory]
    [MemberData(nameof(Assemblies))]
    public void No_static_field_can_change(string assembly)
    {
        var offenders = new List<string>();
        foreach (var type in Assembly.Load(assembly).GetTypes())
        {
            // The compiler caches delegates that capture nothing, and its own tables of constants.
            if (type.GetCustomAttribute<CompilerGeneratedAttribute>() is not null || type.FullName!.Contains('<', StringComparison.Ordinal))
                continue;
            foreach (var field in type.GetFields(BindingFlags.Static | BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.DeclaredOnly))
            {
                if (field.IsLiteral)
                    continue;
                if (!field.IsInitOnly)
                    offenders.Add($"{type.FullName}.{field.Name} is not readonly");
                else if (!IsImmutable(field.FieldType, depth: 0))
                    offenders.Add($"{type.FullName}.{field.Name}: a {field.FieldType.Name} can be changed");
            }
        }
        Assert.True(offenders.Count == 0, string.Join('\n', offenders));
    }

    // Arrays and lists of immutable things stand for tables; that nobody writes to a private one is for review to see, a public one must be read-only.
    private static bool IsImmutable(Type type, int depth)
    {
        if (type.IsPrimitive || type.IsEnum || type.IsPointer || type.IsFunctionPointer || _immutable.Contains(type))
            return true;
        if (typeof(Delegate).IsAssignableFrom(type))
            return true;
        if (depth > 4)
            return false;
        if (type.IsArray)
            return IsImmutable(type.GetElementType()!, depth + 1);
        if (type.IsGenericType && type.Name is "IReadOnlyList`1" or "IReadOnlyDictionary`2" or "FrozenDictionary`2" or "FrozenSet`1" or "ImmutableArray`1")
            return type.GetGenericArguments().All(argument => IsImmutable(argument, depth + 1));
        // A readonly struct, or a sealed class all of whose fields are readonly.
        return (type.IsValueType || type.IsSealed)
            && type.GetFields(BindingFlags.Instance | BindingFlags.Public | BindingFlags.NonPublic)
                .All(field => (field.IsInitOnly || type.IsValueType || IsCapturedParameter(field)) && IsImmutable(field.FieldType, depth + 1));
    }

    // A primary constructor's parameter cannot be declared readonly; that none is assigned to is for review to see.
    private static bool IsCapturedParameter(FieldInfo field) => field.Name.StartsWith('<') && field.Name.EndsWith('P');
}
