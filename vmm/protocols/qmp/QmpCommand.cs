using System.Text.Json;

namespace Gauntlet.Vmm.Protocols.Qmp;

/// <summary>One argument of a command.</summary>
/// <param name="Name">As in the command's <c>arguments</c>.</param>
/// <param name="Type">QAPI's built-in types: <c>str</c>, <c>int</c>, <c>bool</c>, <c>any</c>.</param>
public sealed record QmpArgument(string Name, string Type = "str", bool IsOptional = false);

/// <summary>A command of QMP, declared as data: what dispatches it, checks its arguments and describes it to clients is the same everywhere.</summary>
/// <param name="Name">As after <c>execute</c>.</param>
/// <param name="Execute">Carries it out, and gives what writes its return value.</param>
/// <param name="Arguments">All that it takes.</param>
public sealed record QmpCommand(string Name, Func<QmpArguments, Action<Utf8JsonWriter>> Execute, params QmpArgument[] Arguments)
{
    /// <summary>May be asked for with <c>exec-oob</c>: it never waits.</summary>
    public bool AllowsOob { get; init; }

    /// <summary>May be asked for before <c>x-exit-preconfig</c>.</summary>
    public bool AllowsPreconfig { get; init; }

    /// <summary>Its answer is an empty object.</summary>
    public bool AnswersNothing { get; init; }

    /// <summary>Takes arguments that are not declared: <c>device_add</c>.</summary>
    public bool TakesAny { get; init; }

    /// <summary>A command that answers with an empty object.</summary>
    public static QmpCommand Action(string name, Action<QmpArguments> execute, params QmpArgument[] arguments) => new(name, given =>
    {
        execute(given);
        return WriteEmpty;
    }, arguments)
    {
        AnswersNothing = true,
    };

    public static void WriteEmpty(Utf8JsonWriter writer)
    {
        writer.WriteStartObject();
        writer.WriteEndObject();
    }

    /// <summary>Names, presence and types are as declared.</summary>
    /// <exception cref="QmpException">They are not.</exception>
    public void Check(JsonElement arguments)
    {
        if (arguments.ValueKind == JsonValueKind.Object)
        {
            foreach (var given in arguments.EnumerateObject())
            {
                if (Find(given.Name) is { } argument)
                    CheckType(argument, given.Value);
                else if (!TakesAny)
                    throw new QmpException($"Parameter '{given.Name}' is unexpected");
            }
        }
        foreach (var argument in Arguments)
        {
            if (!argument.IsOptional && (arguments.ValueKind != JsonValueKind.Object || !arguments.TryGetProperty(argument.Name, out _)))
                throw new QmpException($"Parameter '{argument.Name}' is missing");
        }
    }

    private QmpArgument? Find(string name)
    {
        foreach (var argument in Arguments)
        {
            if (argument.Name == name)
                return argument;
        }
        return null;
    }

    private static void CheckType(QmpArgument argument, JsonElement value)
    {
        var fits = argument.Type switch
        {
            "str" => value.ValueKind == JsonValueKind.String,
            "int" => value.ValueKind == JsonValueKind.Number && value.TryGetInt64(out _),
            "bool" => value.ValueKind is JsonValueKind.True or JsonValueKind.False,
            _ => true,
        };
        if (!fits)
            throw new QmpException($"Invalid parameter type for '{argument.Name}', expected: {TypeName(argument.Type)}");
    }

    private static string TypeName(string type) => type switch
    {
        "str" => "string",
        "int" => "integer",
        _ => "boolean",
    };
}

/// <summary>The arguments of one call, checked against the declaration.</summary>
public readonly struct QmpArguments(JsonElement value)
{
    /// <summary>The whole object; undefined when none was given.</summary>
    public JsonElement Value => value;

    public bool Has(string name) => value.ValueKind == JsonValueKind.Object && value.TryGetProperty(name, out _);

    public string Text(string name) => value.GetProperty(name).GetString() ?? "";

    public string? TextOrNull(string name) => Has(name) ? Text(name) : null;

    public long Number(string name) => value.GetProperty(name).GetInt64();

    public bool Flag(string name) => Has(name) && value.GetProperty(name).GetBoolean();
}
